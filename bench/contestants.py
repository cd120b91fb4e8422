"""Whoever is measured: the worker in its four arrangements, and scripts such as the floor."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from bench import yardstick
from bench.books import Books
from bench.machine import CORES, machine_seconds
from bench.places import OUT, ROOT, WORKER, environment
from bench.processes import Finished, run_together
from bench.stub import Stub

STARTUP_MESSAGES = 10
"""What each process drains when its start-up is measured."""
DRAINED = (0, 4)
"""Done, or done while another process still holds messages: the books tell whether it is true."""

_numbers = count()


class Wrong(Exception):
    """The queue or the books are not what they must be afterwards."""


class Attempt(Struct, frozen=True, kw_only=True):
    """What one run of one contestant has cost."""

    messages: int
    cpu_seconds: float
    """Of the contestant's processes, for `paid_messages`."""
    paid_messages: int
    """All but those that were drained to measure the start-up."""
    startup_cpu_seconds: float = 0.0
    wall_seconds: float
    """From the first receive to the last delete, as the stub saw them."""
    stub_cpu_seconds: float
    database_cpu_seconds: float
    others_share: float
    """What programs that are none of ours had of all cores."""
    calls: dict[str, int]
    empty_receives: int

    @property
    def cpu_per_10k(self) -> float:
        """CPU seconds for 10,000 messages."""
        return self.cpu_seconds / self.paid_messages * 10_000

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.wall_seconds

    @property
    def share(self) -> float:
        """What the contestant had of all cores."""
        return self.cpu_seconds / self.paid_messages * self.rate / CORES


class Contestant(Protocol):
    """Anybody who can take messages from a queue to a database."""

    name: str
    what: str
    """A line for people."""

    def attempt(self, stub: Stub, messages: int) -> Attempt:
        """Do it once, on a fresh database, and check that it is done."""


class Script:
    """A script that measures its own loop, and writes what `yardstick` writes."""

    def __init__(
        self, name: str, what: str, command: Sequence[str], template: Path, **more: str
    ) -> None:
        self.name = name
        self.what = what
        self._command = command
        self._template = template
        self._more = more

    def attempt(self, stub: Stub, messages: int) -> Attempt:
        """Run it once."""
        path = yardstick.copy(self._template, OUT / "floor.db")
        queue = _new_queue(stub, self.name, messages)
        command = [*self._command, stub.queue_url(queue), str(path), str(messages)]

        def run() -> list[Finished]:
            return run_together([command], _surroundings(stub) | self._more, OUT / self.name)

        attempt, finished = _observe(stub, queue, messages, run)
        _check(stub, queue, messages, yardstick.counts(path))
        own = float(json.loads(finished[0].output.splitlines()[-1])["cpu_seconds"])
        return replace(attempt, cpu_seconds=own, startup_cpu_seconds=finished[0].cpu_seconds - own)


class Worker:
    """`ses-worker drain` with default settings: some processes on one queue and one database."""

    def __init__(self, books: Books, processes: int) -> None:
        self.name = f"worker-{books.name}-{processes}"
        many = "one process" if processes == 1 else f"{processes} processes"
        self.what = f"ses-worker drain, {many}, {books.title}"
        self._books = books
        self._processes = processes

    def attempt(self, stub: Stub, messages: int) -> Attempt:
        """Drain a few messages, then all; the difference is the loop."""
        few = STARTUP_MESSAGES * self._processes
        startup = self._drain(stub, few)
        whole = self._drain(stub, messages)
        return replace(
            whole,
            cpu_seconds=whole.cpu_seconds - startup.cpu_seconds,
            paid_messages=messages - few,
            startup_cpu_seconds=startup.cpu_seconds,
            database_cpu_seconds=whole.database_cpu_seconds - startup.database_cpu_seconds,
        )

    def _drain(self, stub: Stub, messages: int) -> Attempt:
        store_url = self._books.fresh()
        queue = _new_queue(stub, self.name, messages)
        surroundings = _surroundings(stub) | {
            "SES_WORKER_QUEUE__URL": stub.queue_url(queue),
            "SES_WORKER_STORE__URL": store_url,
        }
        each, rest = divmod(messages, self._processes)
        shares = [each + rest, *[each] * (self._processes - 1)]
        commands = [
            [str(WORKER), "drain", "--max-messages", str(share), "--json"] for share in shares
        ]

        def run() -> list[Finished]:
            return run_together(commands, surroundings, OUT / self.name, good=DRAINED)

        attempt, finished = _observe(stub, queue, messages, run, self._books.cpu_seconds)
        applied = sum(json.loads(one.output)["applied"] for one in finished)
        if applied != messages:
            raise Wrong(f"{self.name} says it has applied {applied} of {messages}")
        _check(stub, queue, messages, self._books.counts())
        return attempt


def make_floor(template: Path) -> Script:
    """One thread of plain boto3."""
    command = [sys.executable, "-m", "bench.floor"]
    return Script("floor1", "one thread of plain boto3 and sqlite3, no log", command, template)


def _surroundings(stub: Stub) -> dict[str, str]:
    return environment(stub.endpoint, PYTHONPATH=str(ROOT))


def _new_queue(stub: Stub, name: str, messages: int) -> str:
    queue = f"{name}-{next(_numbers)}"
    stub.load(queue, messages)
    return queue


def _observe(
    stub: Stub,
    queue: str,
    messages: int,
    run: Callable[[], list[Finished]],
    database_seconds: Callable[[], float] = lambda: 0.0,
) -> tuple[Attempt, list[Finished]]:
    """Run, and look at all the clocks before and after."""

    def clocks() -> tuple[float, ...]:
        own = time.process_time()
        served = stub.stats(queue).cpu_seconds
        return time.monotonic(), machine_seconds(), served, database_seconds(), own

    before = clocks()
    finished = run()
    elapsed, machine, served, database, own = (
        after - earlier for after, earlier in zip(clocks(), before, strict=True)
    )
    used = sum(one.cpu_seconds for one in finished)
    seen = stub.stats(queue)
    attempt = Attempt(
        messages=messages,
        cpu_seconds=used,
        paid_messages=messages,
        wall_seconds=seen.seconds,
        stub_cpu_seconds=served,
        database_cpu_seconds=database,
        others_share=max(0.0, machine - used - served - database - own) / elapsed / CORES,
        calls=seen.calls,
        empty_receives=seen.empty_receives,
    )
    return attempt, finished


def _check(stub: Stub, queue: str, messages: int, counts: tuple[int, int]) -> None:
    seen = stub.stats(queue)
    if (seen.left, seen.deleted, *counts) != (0, messages, messages, messages):
        events, counted = counts
        raise Wrong(
            f"{queue}: of {messages} messages {seen.left} are left, {seen.deleted} were deleted, "
            f"the books have {events} events and count {counted}"
        )
    stub.drop(queue)
