"""The SQS stub as a process: started on a free port, filled, queried, stopped."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from msgspec import Struct

from bench.places import BENCH, USERS

ACCOUNT = "123456789012"
_PROGRAM = str(BENCH / "stubsqs.mjs")
_LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Stats(Struct):
    """What the stub knows of a queue, and of itself."""

    left: int
    deleted: int
    calls: dict[str, int]
    empty_receives: int
    seconds: float
    """From the first receive to the last delete."""
    cpu_seconds: float
    """Of the stub, since it was started."""
    slack_posts: int = 0
    """To all queues' Slack together, since it was started."""


class Held(Struct):
    """How long a client held messages, from handing out to delete, in milliseconds."""

    median: float
    p95: float
    most: float
    waited: float = 0.0
    """The longest from its arrival on the queue to its delete."""


class Fate(NamedTuple):
    """A message that was deleted; the times are milliseconds of the stub's clock."""

    message_id: str
    sent: float
    deleted: float


class Stub:
    """A running stub."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self.slack_url = f"{self.endpoint}/slack"
        """An incoming webhook that says ok."""

    def queue_url(self, queue: str) -> str:
        """Where clients find a queue; it needs no creating."""
        return f"{self.endpoint}/{ACCOUNT}/{queue}"

    def load(self, queue: str, messages: int, seed: str | None = None, users: int = USERS) -> None:
        """Put messages on a queue, each about another user; its name is their seed if none is."""
        self._control("load", queue=queue, n=messages, seed=seed or queue, users=users)

    def send(self, queue: str, body: str) -> None:
        """Send a message, as SNS would."""
        requests = {"QueueUrl": self.queue_url(queue), "MessageBody": body}
        headers = {"X-Amz-Target": "AmazonSQS.SendMessage"}
        request = urllib.request.Request(self.endpoint, json.dumps(requests).encode(), headers)
        with _LOOPBACK.open(request, timeout=60):
            pass

    def send_all(self, queue: str, bodies: Sequence[str]) -> list[str]:
        """Send messages, ten in a call; return their ids."""
        ids: list[str] = []
        for start in range(0, len(bodies), 10):
            entries = [
                {"Id": str(number), "MessageBody": body}
                for number, body in enumerate(bodies[start : start + 10])
            ]
            requests = {"QueueUrl": self.queue_url(queue), "Entries": entries}
            headers = {"X-Amz-Target": "AmazonSQS.SendMessageBatch"}
            request = urllib.request.Request(self.endpoint, json.dumps(requests).encode(), headers)
            with _LOOPBACK.open(request, timeout=60) as answer:
                ids += [entry["MessageId"] for entry in json.load(answer)["Successful"]]
        return ids

    def fates(self, queue: str) -> list[Fate]:
        """Ask what was deleted since the last time, and when."""
        return [Fate(*fate) for fate in self._control("fates", queue=queue)["fates"]]

    def has(self, queue: str, *, deleted: int = 0, receives: int = 0) -> bool:
        """Wait a second at most for so many deletes and receives; return whether they came."""
        requests = {"queue": queue, "deleted": deleted, "receives": receives, "ms": 1_000}
        return bool(self._control("await", **requests)["so"])

    def held(self, queue: str) -> Held:
        """Ask how long messages were held."""
        return Held(**self._control("held", queue=queue))

    def delay(self, milliseconds: float) -> None:
        """Let every later reply take that long, as a network would."""
        self._control("delay", ms=milliseconds)

    def stats(self, queue: str) -> Stats:
        """Ask what is left, what was called, and when."""
        return Stats(**self._control("stats", queue=queue))

    def drop(self, queue: str) -> None:
        """Forget a queue."""
        self._control("drop", queue=queue)

    def _control(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        query = urllib.parse.urlencode({"op": operation, **arguments})
        with _LOOPBACK.open(f"{self.endpoint}/_control?{query}", timeout=60) as answer:
            found: Mapping[str, Any] = json.load(answer)
            return found


@contextmanager
def running_stub(node: str) -> Iterator[Stub]:
    """Start a stub for the block. It also ends when we do, however that happens."""
    command = [node, _PROGRAM, "--users", str(USERS), "--until-stdin-ends"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            yield Stub(json.loads(process.stdout.readline())["port"])
        finally:
            process.kill()


def make_bodies(node: str, count: int, seed: str, users: int = USERS) -> list[str]:
    """Have the stub write message bodies, without serving them."""
    command = [node, _PROGRAM, "--users", str(users), "--print", str(count), "--seed", seed]
    lines = subprocess.check_output(command, text=True, timeout=60)
    return [json.loads(line) for line in lines.splitlines()]
