"""The loops: pollers → one writer → settlers, and how they end.

Messages move from the inbox to the writer to the settlers, and a permit moves with each. Whoever
starts a `Consumer` waits for whatever ends it, then calls `finish`.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import structlog
from msgspec import Struct

from worker.books import Books
from worker.consumer.pace import Pace
from worker.consumer.permits import Permits
from worker.consumer.polling import Inbox, Poller
from worker.consumer.settling import Outgoing, Settler
from worker.consumer.tally import Tally
from worker.consumer.writing import Writer
from worker.model import Handled, Received
from worker.queue import LARGEST_BATCH, Queue

HELD_AT_ONCE = 1_000
"""Messages between receive and settlement: a second's work, far below any sensible visibility."""
SETTLERS = 3
EMPTY_RECEIVES = 2
"""In a row, and a queue looks empty."""
SHUTDOWN_SECONDS = 45
"""A long poll (20 s) and its read timeout (10 s), then what is held; systemd grants 90."""
HURRIED_SECONDS = 5

__all__ = ["Consumer", "Plan", "Tally"]

log = structlog.get_logger()


class Plan(Struct, frozen=True, kw_only=True):
    """How a consumer is to work."""

    wait_seconds: int
    pollers: int
    at_most: int | None = None
    """Messages in all."""
    patient: bool = True
    """Wait for far sides that are away; else they are the end, and `failure`."""


class Consumer:
    """Takes messages from the queue to the books until it is stopped or has had them all."""

    def __init__(
        self,
        plan: Plan,
        *,
        queue: Queue,
        books: Books,
        process: Callable[[Sequence[Received]], list[Handled]],
        tell: Callable[[Handled], None],
        probe: Callable[[], None],
    ) -> None:
        self.tally = Tally()
        self.failure: BaseException | None = None
        self.stopped = threading.Event()
        """Somebody has asked for the end, or a failure has."""
        self.permits = Permits(HELD_AT_ONCE, plan.at_most)
        self.pace = Pace(plan.pollers, full=LARGEST_BATCH)
        self._inbox: Inbox = Inbox()
        self._outgoing = Outgoing()
        give_up = None if plan.patient else self._fail
        pollers = [
            Poller(
                number,
                queue=queue,
                wait_seconds=plan.wait_seconds,
                inbox=self._inbox,
                permits=self.permits,
                pace=self.pace,
                stopping=self.stopped,
                give_up=give_up,
            )
            for number in range(plan.pollers)
        ]
        writer = Writer(
            inbox=self._inbox,
            outgoing=self._outgoing,
            process=process,
            tell=tell,
            probe=probe,
            tally=self.tally,
            pace=self.pace,
            stopping=self.stopped,
            give_up=give_up,
        )
        settler = Settler(
            queue=queue,
            books=books,
            outgoing=self._outgoing,
            permits=self.permits,
            tally=self.tally,
        )
        self._pollers = [self._thread(f"poller-{n}", p.run) for n, p in enumerate(pollers)]
        self._writer = self._thread("writer", writer.run)
        self._settlers = [self._thread(f"settler-{n}", settler.run) for n in range(SETTLERS)]

    @property
    def idle(self) -> bool:
        """Two receives in a row were empty, and nothing is held."""
        return self.pace.empty_in_a_row >= EMPTY_RECEIVES and self.permits.held == 0

    def start(self) -> None:
        """Start all threads."""
        for thread in (*self._settlers, self._writer, *self._pollers):
            thread.start()

    def stop(self) -> None:
        """Receive no more; what is begun is finished, the rest goes back."""
        self.stopped.set()
        self.permits.close()
        self.pace.close()

    def finish(self, hurry: threading.Event | None = None) -> bool:
        """Stop, and wait for the threads; tell whether all of them ended in time.

        With `hurry` set, long polls are not waited for: what they bring stays hidden for the
        visibility timeout. Even so nothing is deleted before its commit.
        """
        self.stop()
        hurry = hurry or threading.Event()
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        _join(self._pollers, deadline, hurry)
        self._inbox.put(None)
        if hurry.is_set():
            deadline = time.monotonic() + HURRIED_SECONDS
        _join([self._writer], deadline)
        self._outgoing.close(len(self._settlers))
        _join(self._settlers, deadline)
        late = [thread.name for thread in self._threads() if thread.is_alive()]
        if late:
            log.warning("consumer.left_behind", threads=late, held=self.permits.held)
        return not late

    def _threads(self) -> Iterable[threading.Thread]:
        return (*self._pollers, self._writer, *self._settlers)

    def _thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                run()
            except BaseException as error:
                log.critical("thread.died", thread=name, exc_info=error)
                self._fail(error)

        # Daemons, so that a thread that hangs cannot keep the process from leaving: leaving is
        # always safe, as nothing is deleted before its commit.
        return threading.Thread(target=guarded, name=name, daemon=True)

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error
        self.stop()


def _join(
    threads: Iterable[threading.Thread], deadline: float, hurry: threading.Event | None = None
) -> None:
    for thread in threads:
        while thread.is_alive() and time.monotonic() < deadline:
            if hurry and hurry.is_set():
                return
            thread.join(0.05)
