"""A queue of bodies that are as large as SQS carries, each written when it is requested.

    python -m bench.large_queue --count 10000

Ten thousand of them would take the tests' emulator of SQS 10 GB; this keeps a body of each kind.
It answers the calls of the worker and nothing else, and prints its port. `GET /` returns what
became of the messages.
"""

import argparse
import hashlib
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from typing import Any, ClassVar

from bench.places import ROOT

sys.path.insert(0, str(ROOT / "tests"))

from support import large_bodies, mail

from simulators.sqs.quotas import LARGEST_BATCH, LARGEST_MESSAGE_BYTES

NAMES = "queue", "dead"
SMALL = "small"
"""A kind beside those of `large_bodies`: a bounce as SES writes most of them."""


class Shelf:
    """What is on the queue, by number; the kind of a message follows from its number."""

    def __init__(self, count: int, kinds: list[str], clump: int) -> None:
        self._fresh = iter(range(count))
        self._kinds = kinds
        self._clump = clump
        self._lock = threading.Lock()
        self._hidden: dict[int, float] = {}
        self.receives: Counter[int] = Counter()
        self.deleted = 0
        self.dead: Counter[str] = Counter()
        self.refused = 0
        self.left = count

    def kind(self, number: int) -> str:
        """Large ones come in clumps, with as many small ones between, where that is requested."""
        if self._clump and number // self._clump % 2 == 0:
            return SMALL
        return self._kinds[number % len(self._kinds)]

    def take(self, most: int, hidden_seconds: float) -> list[int]:
        """Hand out messages: those whose time has come, then fresh ones."""
        now = time.monotonic()
        with self._lock:
            back = [number for number, until in self._hidden.items() if until <= now][:most]
            taken = [*back, *islice(self._fresh, most - len(back))]
            for number in taken:
                self._hidden[number] = now + hidden_seconds
                self.receives[number] += 1
        return taken

    def hide(self, number: int, seconds: float) -> None:
        """Show a message after so many seconds."""
        with self._lock:
            if number in self._hidden:
                self._hidden[number] = time.monotonic() + seconds

    def delete(self, number: int) -> None:
        """Have done with a message."""
        with self._lock:
            if self._hidden.pop(number, None) is not None:
                self.deleted += 1
                self.left -= 1
                del self.receives[number]

    def facts(self) -> dict[str, Any]:
        """What became of the messages so far."""
        with self._lock:
            return {
                "left": self.left,
                "deleted": self.deleted,
                "dead": dict(self.dead),
                "refused": self.refused,
                "hidden": len(self._hidden),
                "received_again": sum(times > 1 for times in self.receives.values()),
            }


def body(kind: str, number: int) -> str:
    """Write the body of a message."""
    if kind != SMALL:
        return large_bodies.body(kind, number)
    address = f"person{number}@example.com"
    return mail.enveloped(mail.bounce(address, feedback_id=f"0100-small-{number}"))


class Server(ThreadingHTTPServer):
    """A client that disconnects is no error."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Report nothing."""


class Handler(BaseHTTPRequestHandler):
    """SQS's JSON protocol, as far as the worker uses it."""

    protocol_version = "HTTP/1.1"
    shelf: ClassVar[Shelf]

    def log_message(self, *_: object) -> None:
        """Report nothing."""

    def do_GET(self) -> None:
        """Return what became of the messages."""
        self._answer(200, json.dumps(self.shelf.facts()).encode())

    def do_POST(self) -> None:
        """Answer a call."""
        requests = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        calls = {
            "ReceiveMessage": self._receive,
            "DeleteMessageBatch": self._delete,
            "ChangeMessageVisibilityBatch": self._hide,
            "SendMessage": self._send,
            "GetQueueAttributes": self._count,
        }
        self._answer(*calls[operation](requests))

    def _receive(self, requests: Mapping[str, Any]) -> tuple[int, bytes]:
        most = min(requests["MaxNumberOfMessages"], LARGEST_BATCH)
        until = time.monotonic() + requests["WaitTimeSeconds"]
        while not (taken := self.shelf.take(most, requests["VisibilityTimeout"])):
            if time.monotonic() > until:
                return 200, b"{}"
            time.sleep(0.02)
        messages = b",".join(self._message(number) for number in taken)
        return 200, b'{"Messages":[' + messages + b"]}"

    def _message(self, number: int) -> bytes:
        text = body(self.shelf.kind(number), number)
        output = {
            "MessageId": f"message-{number}",
            "ReceiptHandle": str(number),
            "Body": text,
            "MD5OfBody": hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(),
            "Attributes": {
                "ApproximateReceiveCount": str(self.shelf.receives[number]),
                "SentTimestamp": str(int(time.time() * 1000)),
            },
        }
        return json.dumps(output, ensure_ascii=False).encode()

    def _delete(self, requests: Mapping[str, Any]) -> tuple[int, bytes]:
        for entry in requests["Entries"]:
            self.shelf.delete(int(entry["ReceiptHandle"]))
        return self._done(requests)

    def _hide(self, requests: Mapping[str, Any]) -> tuple[int, bytes]:
        for entry in requests["Entries"]:
            self.shelf.hide(int(entry["ReceiptHandle"]), entry["VisibilityTimeout"])
        return self._done(requests)

    def _send(self, requests: Mapping[str, Any]) -> tuple[int, bytes]:
        text, attributes = requests["MessageBody"], requests.get("MessageAttributes", {})
        size = large_bodies.size(text) + sum(
            len(name) + len(item["DataType"]) + len(item.get("StringValue", "").encode())
            for name, item in attributes.items()
        )
        if size > LARGEST_MESSAGE_BYTES:
            self.shelf.refused += 1
            output = {"__type": "com.amazonaws.sqs#InvalidParameterValue", "message": "too long"}
            return 400, json.dumps(output).encode()
        self.shelf.dead[attributes["ses_worker_reason"]["StringValue"]] += 1
        digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        return 200, json.dumps({"MessageId": "dead", "MD5OfMessageBody": digest}).encode()

    def _count(self, requests: Mapping[str, Any]) -> tuple[int, bytes]:
        arn = f"arn:aws:sqs:eu-west-1:123456789012:{NAMES[1]}"
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 100})
        is_dead = requests["QueueUrl"].endswith(NAMES[1])
        facts = self.shelf.facts()
        found = {
            "RedrivePolicy": policy,
            "ApproximateNumberOfMessages": str(0 if is_dead else facts["left"] - facts["hidden"]),
            "ApproximateNumberOfMessagesNotVisible": str(0 if is_dead else facts["hidden"]),
            "ApproximateNumberOfMessagesDelayed": "0",
        }
        return 200, json.dumps({"Attributes": found}).encode()

    @staticmethod
    def _done(requests: Mapping[str, Any]) -> tuple[int, bytes]:
        done = [{"Id": entry["Id"]} for entry in requests["Entries"]]
        return 200, json.dumps({"Successful": done, "Failed": []}).encode()

    def _answer(self, status: int, whole: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="messages (10000)")
    parser.add_argument("--kinds", default="", help="names of kinds, by commas; all of them")
    parser.add_argument("--clump", type=int, default=0, help="so many small ones, then large ones")
    requests = parser.parse_args()
    kinds = requests.kinds.split(",") if requests.kinds else [*large_bodies.KINDS]
    for kind in kinds:
        large_bodies.template(kind)
    Handler.shelf = Shelf(requests.count, kinds, requests.clump)
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
