"""What a run has cost by several clocks, and whether queue and store are right afterwards."""

import time
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from bench.machine import CORES, machine_seconds
from bench.stub import Held, Stub

STARTUP_MESSAGES = 10
"""Messages that a process drains when its start-up is measured."""


class Wrong(Exception):
    """The queue or the store is not as it must be afterwards."""


class Job(Struct, frozen=True, kw_only=True):
    """A queue to drain, and what the store must have counted then."""

    queue: str
    messages: int
    known: int = 0
    """Messages of other queues that the store had before."""
    repeats: bool = False
    """The store has these messages already: nothing may be counted again."""


class Attempt(Struct, frozen=True, kw_only=True):
    """What a run of a contestant has cost."""

    messages: int
    cpu_seconds: float
    """CPU of the contestant's processes for `paid_messages`."""
    paid_messages: int
    """Messages without those that were drained to measure the start-up."""
    startup_cpu_seconds: float = 0.0
    wall_seconds: float
    """From the first receive to the last delete, as the stub saw them."""
    stub_cpu_seconds: float
    database_cpu_seconds: float
    others_share: float
    """The share of all cores that other programs had."""
    calls: dict[str, int]
    empty_receives: int
    held: Held
    """From receive to delete."""

    @property
    def cpu_per_10k(self) -> float:
        """CPU seconds for 10,000 messages."""
        return self.cpu_seconds / self.paid_messages * 10_000

    @property
    def cpu_us(self) -> float:
        """CPU microseconds of a message."""
        return self.cpu_seconds / self.paid_messages * 1e6

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.wall_seconds

    @property
    def share(self) -> float:
        """The contestant's share of all cores."""
        return self.cpu_seconds / self.paid_messages * self.rate / CORES


class Watch:
    """All the clocks, read when this is made and again at the end."""

    def __init__(
        self, stub: Stub, job: Job, database_seconds: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._stub = stub
        self._job = job
        self._database_seconds = database_seconds
        self._before = self._clocks()

    def attempt(self, cpu_seconds: float) -> Attempt:
        """Read the clocks again; `cpu_seconds` is what the contestant's processes have used."""
        elapsed, machine, served, database, own = (
            after - before for after, before in zip(self._clocks(), self._before, strict=True)
        )
        stats = self._stub.stats(self._job.queue)
        others = machine - cpu_seconds - served - database - own
        return Attempt(
            messages=self._job.messages,
            cpu_seconds=cpu_seconds,
            paid_messages=self._job.messages,
            wall_seconds=stats.seconds,
            stub_cpu_seconds=served,
            database_cpu_seconds=database,
            others_share=max(0.0, others) / elapsed / CORES,
            calls=stats.calls,
            empty_receives=stats.empty_receives,
            held=self._stub.held(self._job.queue),
        )

    def _clocks(self) -> tuple[float, ...]:
        own, served = time.process_time(), self._stub.stats(self._job.queue).cpu_seconds
        return time.monotonic(), machine_seconds(), served, self._database_seconds(), own


def without_startup(whole: Attempt, startup: Attempt, processes: int = 1) -> Attempt:
    """Subtract what starting each process has cost, and its few messages."""
    began = startup.cpu_seconds * processes
    database = startup.database_cpu_seconds * processes
    return replace(
        whole,
        cpu_seconds=whole.cpu_seconds - began,
        paid_messages=whole.messages - startup.messages * processes,
        startup_cpu_seconds=began,
        database_cpu_seconds=max(0.0, whole.database_cpu_seconds - database),
    )


def check(stub: Stub, job: Job, counts: tuple[int, int]) -> None:
    """Check the queue and the store, and delete the queue.

    Raises:
        Wrong: messages are left, or were not counted once.

    """
    stats = stub.stats(job.queue)
    known = job.known + (0 if job.repeats else job.messages)
    if (stats.left, stats.deleted, *counts) != (0, job.messages, known, known):
        events, counted = counts
        raise Wrong(
            f"{job.queue}: of {job.messages} messages {stats.left} are left, {stats.deleted} were "
            f"deleted, the store has {events} events and counts {counted}, not {known}"
        )
    stub.drop(job.queue)
