"""What one run has cost, and by which clocks; and whether it has done what it had to."""

import time
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from bench.machine import CORES, machine_seconds
from bench.processes import Usage
from bench.stub import Held, Stub

STARTUP_MESSAGES = 10
"""What a process drains when its start-up is measured."""


class Wrong(Exception):
    """The queue or the store is not what they must be afterwards."""


class Job(Struct, frozen=True, kw_only=True):
    """A queue to be drained, and what the store must have counted then."""

    queue: str
    messages: int
    known: int = 0
    """Messages that the store had before, of other queues."""
    repeats: bool = False
    """The store have had these before: nothing may be counted again."""


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
    held: Held
    """From handing out to delete."""
    system_seconds: float = 0.0
    """Of the processes' CPU, what the system had; likewise by the last delete, if it is known."""
    disk_read: int = 0
    disk_written: int = 0
    passed: int = 0
    """Bytes, as `bench.processes.Usage` has them."""

    @property
    def cpu_per_10k(self) -> float:
        """CPU seconds for 10,000 messages."""
        return self.cpu_seconds / self.paid_messages * 10_000

    @property
    def cpu_us(self) -> float:
        """CPU of a message in microseconds."""
        return self.cpu_seconds / self.paid_messages * 1e6

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.wall_seconds

    @property
    def share(self) -> float:
        """What the contestant had of all cores."""
        return self.cpu_seconds / self.paid_messages * self.rate / CORES


class Watch:
    """All the clocks, from when it is made."""

    def __init__(
        self, stub: Stub, job: Job, database_seconds: Callable[[], float] = lambda: 0.0
    ) -> None:
        self._stub = stub
        self._job = job
        self._database_seconds = database_seconds
        self._before = self._clocks()

    def attempt(self, used: Usage) -> Attempt:
        """Look at them again; `used` is what the contestant's processes have used by now."""
        elapsed, machine, served, database, own = (
            after - before for after, before in zip(self._clocks(), self._before, strict=True)
        )
        stats = self._stub.stats(self._job.queue)
        others = machine - used.cpu_seconds - served - database - own
        return Attempt(
            messages=self._job.messages,
            cpu_seconds=used.cpu_seconds,
            paid_messages=self._job.messages,
            wall_seconds=stats.seconds,
            stub_cpu_seconds=served,
            database_cpu_seconds=database,
            others_share=max(0.0, others) / elapsed / CORES,
            calls=stats.calls,
            empty_receives=stats.empty_receives,
            held=self._stub.held(self._job.queue),
            system_seconds=used.system_seconds,
            disk_read=used.disk_read,
            disk_written=used.disk_written,
            passed=used.passed,
        )

    def _clocks(self) -> tuple[float, ...]:
        own, served = time.process_time(), self._stub.stats(self._job.queue).cpu_seconds
        return time.monotonic(), machine_seconds(), served, self._database_seconds(), own


def without_startup(whole: Attempt, startup: Attempt, processes: int = 1) -> Attempt:
    """Take out what starting each process has cost, and its few messages with it."""
    began = startup.cpu_seconds * processes
    database = startup.database_cpu_seconds * processes
    return replace(
        whole,
        cpu_seconds=whole.cpu_seconds - began,
        paid_messages=whole.messages - startup.messages * processes,
        startup_cpu_seconds=began,
        database_cpu_seconds=max(0.0, whole.database_cpu_seconds - database),
        system_seconds=max(0.0, whole.system_seconds - startup.system_seconds * processes),
        disk_read=max(0, whole.disk_read - startup.disk_read * processes),
        disk_written=max(0, whole.disk_written - startup.disk_written * processes),
        passed=max(0, whole.passed - startup.passed * processes),
    )


def check(stub: Stub, job: Job, counts: tuple[int, int]) -> None:
    """Look at the queue and the store, and forget the queue.

    Raises:
        Wrong: messages are left, or were not counted once.

    """
    stats = stub.stats(job.queue)
    known = job.known + (0 if job.repeats else job.messages)
    if (stats.left, stats.deleted, *counts) != (0, job.messages, known, known):
        events, counted = counts
        raise Wrong(
            f"{job.queue}: of {job.messages} messages {stats.left} are left, {stats.deleted} were "
            f"deleted, the store have {events} events and count {counted}, not {known}"
        )
    stub.drop(job.queue)
