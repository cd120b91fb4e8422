"""Measure whether a flood of wrong signatures slows the good messages of another topic.

    PYTHONPATH=tests python -m bench.flood [--pairs 5] [--rate 100] [--messages 3000] [--network 8]

One `ses-worker run` with `sns.verify = "require"` and two topics, on the stub of SQS, each of whose
answers takes `--network` milliseconds. The messages of one topic are rightly signed, those of the
other by another key, so that each costs a whole verification. Rounds with the good ones alone and
with as many wrong ones among them alternate, so that what else the machine does hits both alike:

- below saturation: so many good ones a second, and how long each takes from its sending to its
  delete;
- at saturation: all of them wait in the queue when the worker goes on, and how many good ones
  are deleted a second.

Then the CPU that a good and a wrong message cost. Exit 1 if below saturation the median of the
pairs is more than 10 % above the good ones alone. At saturation it cannot be less than the CPU of
the wrong ones: who may write to the queue takes part of what the worker can do.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import click
from support import mail, signing
from support.signing_host import SigningHost

from bench.places import WORKER, claimed, environment, find_node
from bench.processes import cpu_seconds, started
from bench.stores import email, fill
from bench.stub import Fate, Stub, running_stub

QUEUE, DEAD_LETTERS = "feedback", "feedback-dlq"
WRONG_TOPIC = f"{mail.TOPIC}-of-somebody-else"
WRONG_KINDS = 200
"""Different wrong messages; each is sent many times."""
MOST_SLOWER = 0.10
LONGEST_SECONDS = 120.0
USERS = 100_000


class Round(NamedTuple):
    """What a round has shown."""

    figure: float
    """Milliseconds of the median good message, or good messages a second."""
    cpu: float
    """Seconds of the worker."""


class Bodies:
    """Messages, signed beforehand."""

    def __init__(self, good: int) -> None:
        self._good = (signing.signed(mail.bounce(email(number % USERS))) for number in range(good))
        key = signing.new_key(7)
        self._wrong = [
            signing.signed(mail.bounce(email(number)), key=key, TopicArn=WRONG_TOPIC)
            for number in range(WRONG_KINDS)
        ]

    def good(self, count: int) -> list[str]:
        """Make good messages, each about another user than the last."""
        return [next(self._good) for _ in range(count)]

    def wrong(self, count: int) -> list[str]:
        """Return wrong messages."""
        return [self._wrong[number % WRONG_KINDS] for number in range(count)]


class Bench:
    """A worker and its queue."""

    def __init__(self, stub: Stub, worker: subprocess.Popen[bytes], bodies: Bodies) -> None:
        self._stub = stub
        self._worker = worker
        self._bodies = bodies
        self._deleted = 0

    def paced(self, rate: int, messages: int, *, flooded: bool) -> Round:
        """Send at a rate; return the milliseconds of the median good message."""
        good = self._bodies.good(messages)
        wrong = self._bodies.wrong(messages if flooded else 0)
        ids: set[str] = set()
        cpu, began = cpu_seconds(self._worker), time.monotonic()
        for number, body in enumerate(good):
            if (ahead := began + number / rate - time.monotonic()) > 0:
                time.sleep(ahead)
            sent = self._stub.send_all(QUEUE, [body, *wrong[number : number + 1]])
            ids.add(sent[0])
        fates = self._await(messages + len(wrong))
        took = [fate.deleted - fate.sent for fate in fates if fate.message_id in ids]
        return Round(statistics.median(took), cpu_seconds(self._worker) - cpu)

    def saturated(self, messages: int, *, flooded: bool) -> Round:
        """Let the worker find all messages; return how many good ones it deletes a second."""
        good = self._bodies.good(messages)
        wrong = self._bodies.wrong(messages if flooded else 0)
        mixed = [body for pair in zip(good, wrong, strict=True) for body in pair] if wrong else good
        self._worker.send_signal(signal.SIGSTOP)
        ids = self._stub.send_all(QUEUE, mixed)
        chosen = set(ids[:: 2 if wrong else 1])
        cpu = cpu_seconds(self._worker)
        self._worker.send_signal(signal.SIGCONT)
        fates = [fate for fate in self._await(len(mixed)) if fate.message_id in chosen]
        seconds = (max(fate.deleted for fate in fates) - min(fate.deleted for fate in fates)) / 1e3
        return Round(len(fates) / seconds, cpu_seconds(self._worker) - cpu)

    def _await(self, messages: int) -> list[Fate]:
        self._deleted += messages
        deadline = time.monotonic() + LONGEST_SECONDS
        while not self._stub.has(QUEUE, deleted=self._deleted):
            if self._worker.poll() is not None or time.monotonic() > deadline:
                sys.exit("the messages are not deleted, or the worker has ended")
        time.sleep(0.3)
        return self._stub.fates(QUEUE)


def pairs_of(name: str, pairs: Sequence[tuple[Round, Round]], messages: int, unit: str) -> float:
    """Print what pairs have shown; return by which share the good ones are slower."""
    if unit == "ms":
        slower = [flooded.figure / alone.figure - 1 for alone, flooded in pairs]
    else:
        slower = [1 - flooded.figure / alone.figure for alone, flooded in pairs]
    alone, flooded = (statistics.median(each[at].figure for each in pairs) for at in (0, 1))
    good = statistics.median(each[0].cpu for each in pairs) / messages * 1e6
    wrong = statistics.median(each[1].cpu - each[0].cpu for each in pairs) / messages * 1e6
    print(f"{name}: good ones alone {alone:,.1f} {unit}, with as many wrong ones {flooded:,.1f}")
    print(
        f"  slower by {statistics.median(slower):.1%} "
        f"({', '.join(f'{share:.1%}' for share in sorted(slower))})"
    )
    print(f"  CPU: a good message {good:.0f} µs, a wrong message {wrong:.0f} µs")
    if unit != "ms":
        print(f"  by the CPU alone it would be slower by {wrong / (good + wrong):.1%}")
    return statistics.median(slower)


@click.command()
@click.option("--pairs", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--rate", type=click.IntRange(min=1), default=100, show_default=True)
@click.option("--messages", type=click.IntRange(min=100), default=3_000, show_default=True)
@click.option("--network", type=float, default=8.0, show_default=True, help="Milliseconds.")
@click.option("--slack/--no-slack", default=True, show_default=True)
def main(*, pairs: int, rate: int, messages: int, network: float, slack: bool) -> None:
    """Measure, print, and judge."""
    paced_messages = rate * 6
    with claimed(), ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ses-worker-flood-")))
        stub = stack.enter_context(running_stub(find_node()))
        host = stack.enter_context(SigningHost(folder, signing.Authority()))
        host.files[signing.URL.partition(".com")[2]] = signing.Authority().issue()
        surroundings = environment(stub.endpoint) | host.environment
        surroundings |= {
            "AWS_REGION": "eu-west-1",
            "SES_WORKER_QUEUE__URL": stub.queue_url(QUEUE),
            "SES_WORKER_QUEUE__DEAD_LETTER_URL": stub.queue_url(DEAD_LETTERS),
            "SES_WORKER_STORE__URL": f"sqlite:///{folder}/worker.db",
            "SES_WORKER_LOG__FORMAT": "json",
            "SES_WORKER_SNS__VERIFY": "require",
            "SES_WORKER_SNS__TOPIC_ARNS": json.dumps([mail.TOPIC, WRONG_TOPIC]),
        }
        if slack:
            surroundings["SES_WORKER_SLACK__WEBHOOK_URL"] = stub.slack_url
        fill(f"sqlite:///{folder}/worker.db", dict(os.environ) | surroundings)
        worker = stack.enter_context(started([str(WORKER), "run"], surroundings, folder / "worker"))
        stub.delay(network)
        bench = Bench(stub, worker, Bodies(2 * (pairs + 1) * (messages + paced_messages)))
        for flooded in (False, True):  # to warm up
            bench.paced(rate, paced_messages, flooded=flooded)
            bench.saturated(messages, flooded=flooded)
        slow: list[tuple[Round, Round]] = []
        full: list[tuple[Round, Round]] = []
        for number in range(pairs):
            order = (False, True) if number % 2 else (True, False)
            paced = {it: bench.paced(rate, paced_messages, flooded=it) for it in order}
            slow.append((paced[False], paced[True]))
            deep = {it: bench.saturated(messages, flooded=it) for it in order}
            full.append((deep[False], deep[True]))
    below = pairs_of(f"below saturation, {rate} a second", slow, paced_messages, "ms")
    pairs_of("at saturation", full, messages, "a second")
    sys.exit(1 if below > MOST_SLOWER else 0)


if __name__ == "__main__":
    main()
