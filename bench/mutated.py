"""Send random and mutated bodies to the real daemon, and look whether it minds.

    python -m bench.mutated [--messages 200000] [--seconds 480] [--seed N]

One `ses-worker run` on the SQS simulator and a SQLite file, with default settings but for the
local endpoint and Slack. The bodies are SES's messages and wrappings of the tests, of which bytes
or values are changed, left out, repeated or exchanged, and bodies of random bytes and random JSON.
Then: is the process alive, was each message deleted once, is each in exactly one place (its rows,
the dead-letter queue, or nowhere because it says nothing), and did memory stay flat? Exit 1 if not.
"""

import json
import random
import re
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from bench.places import ROOT
from bench.processes import resident_mb

sys.path.insert(0, str(ROOT / "tests"))

from support import mail
from support.hostile import KINDS

from bench.soak import Subject
from fuzz.mutations import mutated
from fuzz.texts import payloads
from simulators.slack import SlackSimulator
from simulators.sqs import Deletion, Sending, SqsSimulator
from worker.core.decode import decode, feedback_in, parts_of
from worker.core.model import Feedback, Malformed

BACKLOG = 2_000
FLAT_MB = 30.0
"""Between the memory after half of the messages, and the most after it."""
EMPTY_SECONDS = 120.0
_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What SQS does not carry."""
LARGEST = 1_048_576


def bodies(seed: int) -> Iterator[str]:
    """Make bodies for ever: most are mutated, and some are of random bytes or JSON."""
    chance = random.Random(seed)
    seeds = list(_seeds())
    while True:
        if chance.random() < 0.3:
            data = mutated(chance.choice(seeds), chance)
        elif chance.random() < 0.9:
            data = _changed(chance.choice(seeds), chance)
        elif chance.random() < 0.5:
            data = chance.randbytes(chance.randint(1, 3_000))
        else:
            data = json.dumps(_random(chance, 5)).encode()
        text = _REFUSED.sub("?", data.decode("utf-8", "replace"))
        if text and len(text.encode()) <= LARGEST:
            yield text


def _seeds() -> Iterator[bytes]:
    for payload in payloads():
        yield payload
        text = payload.decode()
        yield mail.enveloped(text).encode()
        yield mail.in_records_of_sqs(mail.enveloped(text), text).encode()
    yield mail.in_eventbridge(mail.bounce("a@b.c")).encode()
    yield mail.enveloped(mail.sending_status()).encode()
    for kind in KINDS:
        body = kind.make("hostile-1-1").encode("utf-8", "surrogatepass")
        if len(body) < 20_000:
            yield body


def _changed(data: bytes, chance: random.Random) -> bytes:
    """Change values of the JSON, however deep, so that it stays JSON."""
    try:
        value = json.loads(data)
    except ValueError:
        return mutated(data, chance)
    for _ in range(chance.randint(1, 3)):
        value = _with_a_change(value, chance)
    return json.dumps(value, ensure_ascii=chance.random() < 0.7).encode("utf-8", "replace")


def _with_a_change(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict) and value:
        name = chance.choice(list(value))
        if chance.random() < 0.1:
            return {key: each for key, each in value.items() if key != name}
        return value | {name: _with_a_change(value[name], chance)}
    if isinstance(value, list) and value:
        at = chance.randrange(len(value))
        changed = _with_a_change(value[at], chance)
        return [*value[:at], *([changed] * chance.choice((1, 1, 1, 1, 0, 3))), *value[at + 1 :]]
    if isinstance(value, str) and value.startswith("{") and chance.random() < 0.9:
        return _changed(value.encode("utf-8", "replace"), chance).decode("utf-8", "replace")
    if isinstance(value, str) and chance.random() < 0.6:
        return f"{value}{chance.randrange(10**9)}"
    return _random(chance, 3)


def _random(chance: random.Random, depth: int) -> Any:
    words = (
        "Type", "Message", "notificationType", "eventType", "bounce", "complaint", "mail",
        "Records", "Sns", "body", "detail", "source", "Bounce", "Notification", "a@b.c",
    )  # fmt: skip
    match chance.randrange(6 if depth else 4):
        case 0:
            return chance.choice(words)
        case 1:
            return chance.choice((None, True, -1, 1e300, 7))
        case 2 | 3:
            return "".join(chance.choices('\x00\x7f\u202e\ud83d"\\<@.aé😀', k=chance.randrange(9)))
        case 4:
            return [_random(chance, depth - 1) for _ in range(chance.randrange(4))]
        case _:
            return {
                chance.choice(words): _random(chance, depth - 1) for _ in range(chance.randrange(6))
            }


class Account:
    """What was sent, and what has become of it."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.sent = 0
        self.expected: Counter[str] = Counter()
        self.feedback: list[tuple[str, str]] = []
        self.dead: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        subject.emulator.on_delete(self._deleting)
        subject.emulator.on_send(self._sending)

    def send(self, body: str) -> None:
        """Send a body, and remember what must become of it."""
        decoded = decode(body)
        parts = list(parts_of(decoded))
        is_dead = any(isinstance(part, Malformed) for part in parts)
        told: list[Feedback] = feedback_in(parts)
        self.feedback += [(item.dedupe_key, item.route_key) for item in told]
        self.expected["dead" if is_dead else "told" if told else "else"] += 1
        self._waiting[body] += is_dead
        self.sent += 1
        self.subject.emulator.send(self.subject.queue, body)

    def _sending(self, sending: Sending) -> None:
        if sending.queue.endswith("-dlq"):
            self.dead[sending.attributes["ses_worker_reason"]["StringValue"]] += 1
            self._waiting[sending.body] -= 1

    def _deleting(self, deletion: Deletion) -> None:
        if not (deletion.queue.endswith("-dlq") or deletion.stale):
            self.deleted[deletion.message_id] += 1

    def findings(self, database: Path) -> Iterator[str]:
        """Describe what is wrong."""
        if len(self.deleted) != self.sent or set(self.deleted.values()) - {1}:
            yield (
                f"{len(self.deleted):,} of {self.sent:,} were deleted, "
                f"by {self.deleted.total():,} deletes"
            )
        if wrong := {body: count for body, count in self._waiting.items() if count}:
            first = next(iter(wrong))[:300]
            yield f"{len(wrong):,} bodies are dead letters too often or not: {first!r}"
        connection = sqlite3.connect(database)
        kept = connection.execute("SELECT dedupe_key, route_key FROM events").fetchall()
        dedupe, route = {each for each, _ in kept}, {each for _, each in kept}
        lost = [keys for keys in self.feedback if keys[0] not in dedupe and keys[1] not in route]
        ours = {key for keys in self.feedback for key in keys}
        foreign = [keys for keys in kept if not ours.intersection(keys)]
        if lost or foreign:
            yield f"{len(lost):,} events are lost, {len(foreign):,} were never sent"
        if len(kept) > len(set(self.feedback)):
            yield f"{len(kept):,} rows of {len(set(self.feedback)):,} events"


@click.command()
@click.option("--messages", type=click.IntRange(min=100), default=200_000, show_default=True)
@click.option("--seconds", type=click.IntRange(min=10), default=3_600, show_default=True)
@click.option("--seed", type=int, help="Drawn and printed if not given.")
def main(*, messages: int, seconds: int, seed: int | None) -> None:
    """Send, wait, and look."""
    seed = random.randrange(1_000_000) if seed is None else seed
    print(f"seed {seed}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="ses-worker-mutated-") as folder,
        SqsSimulator() as emulator,
        SlackSimulator() as slack,
    ):
        subject = Subject(emulator, Path(folder) / "mutated", slack.webhook_url, "run")
        account = Account(subject)
        memory = list(_send(account, bodies(seed), messages, time.monotonic() + seconds))
        _await_empty(subject)
        alive = subject.process.poll() is None
        memory.append(resident_mb(subject.process) if alive else 0.0)
        peak = resident_mb(subject.process, "VmHWM") if alive else 0.0
        subject.stop()
        wrong = list(account.findings(Path(folder) / "mutated" / "worker.db"))
    half = len(memory) // 2
    grown = max(memory[half:]) - memory[half]
    if not alive:
        wrong.append("the daemon has ended")
    if grown > FLAT_MB:
        wrong.append(f"memory has grown by {grown:.1f} MB")
    print(f"{account.sent:,} messages: {dict(account.expected)}")
    print(f"dead letters: {dict(account.dead.most_common())}")
    print(f"memory, MB: {', '.join(f'{each:.0f}' for each in memory)}; at most {peak:.0f}")
    print(*(wrong or ["nothing is wrong"]), sep="\n")
    sys.exit(1 if wrong else 0)


def _send(account: Account, some: Iterator[str], messages: int, until: float) -> Iterator[float]:
    """Send while the queue is short; yield the memory ten or more times."""
    step, purged = max(1, messages // 20), time.monotonic()
    for number in range(1, messages + 1):
        if account.subject.process.poll() is not None or time.monotonic() > until:
            return
        account.send(next(some))
        if number % 100 == 0:
            account.subject.emulator.journal.clear()
            while account.subject.unfinished > BACKLOG and time.monotonic() < until:
                time.sleep(0.02)
        if number % 1_000 == 0 and time.monotonic() - purged > 61:
            purged = time.monotonic()
            _purge(account.subject)
        if number % step == 0:
            yield resident_mb(account.subject.process)
            print(f"{number:,} sent", file=sys.stderr, flush=True)


def _purge(subject: Subject) -> None:
    """Empty the dead-letter queue: its bodies would fill this process."""
    name = subject.queue.rpartition("/")[2] + "-dlq"
    subject.emulator._ask("PurgeQueue", QueueUrl=subject.emulator.url(name))  # noqa: SLF001


def _await_empty(subject: Subject) -> None:
    deadline = time.monotonic() + EMPTY_SECONDS
    while subject.unfinished and subject.process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
