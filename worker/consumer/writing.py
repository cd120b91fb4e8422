"""The writer: one at a time, one transaction for all that has arrived, up to a bound.

Whichever poller comes first writes for all who wait, itself included; the others find their
messages written. So a commit's fsync is shared whenever there is somebody to share it with, and on
a quiet queue no message is passed from thread to thread.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from worker.consumer.arrivals import Arrival
from worker.consumer.outage import Outage
from worker.consumer.pace import Pace
from worker.consumer.tally import Tally
from worker.health import Health
from worker.model import Handled, Received
from worker.queue import LARGEST_BATCH
from worker.retries import back_off

LARGEST_COMMIT = 200
"""Messages in one transaction: enough to make an fsync cheap, few enough to keep it short."""
TICK_SECONDS = 0.2
SLOW_SECONDS, HANGING_SECONDS = 5, 40
"""Of one turn: after the first it is said; after the second, which is more than the books' own
deadlines allow for a statement, it is broken off."""
STUCK_SECONDS = 2 * HANGING_SECONDS
"""Of one turn: breaking it off has not helped."""

log = structlog.get_logger()


class Writer:
    """Thread-safe; whoever writes does so alone."""

    def __init__(
        self,
        *,
        process: Callable[[Sequence[Received]], list[Handled]],
        probe: Callable[[], None],
        tally: Tally,
        pace: Pace,
        health: Health,
        stopping: threading.Event,
        give_up: Callable[[BaseException], None] | None,
        break_off: Callable[[], None] = lambda: None,
    ) -> None:
        self._break_off = break_off
        self._began: float | None = None
        self._told_of: float | None = None
        self._process = process
        self._probe = probe
        self._tally = tally
        self._pace = pace
        self._health = health
        self._pulse = health.pulse("writer")
        self._stopping = stopping
        self._give_up = give_up
        self._changed = threading.Condition()
        self._writing = False
        self._waiting: list[Arrival] = []
        self._outage: Outage | None = None
        self._outages_in_a_row = 0

    def write(self, messages: Sequence[Received]) -> list[Handled]:
        """Have messages written; return when their commit is durable, or when they must go back.

        In an outage of the books they are held for some seconds, for it may be short; then they
        go back. Nothing is received meanwhile (`await_books`), so an outage, however long, costs
        a message one receive. When a probe finds the books well, one message that is held is
        tried before the rest.
        """
        arrival = Arrival(messages)
        with self._changed:
            self._waiting.append(arrival)
        self._take_turns_while(lambda: not arrival.done)
        return arrival.handled

    def await_books(self) -> None:
        """Wait as long as nothing can be written, unless it is over."""
        self._take_turns_while(lambda: self._outage is not None and not self._stopping.is_set())

    @property
    def most(self) -> int:
        """How many messages to receive: one, after several outages with nothing written between."""
        return 1 if self._outages_in_a_row > 1 else LARGEST_BATCH

    def _take_turns_while(self, wanted: Callable[[], bool]) -> None:
        """Be the writer, or wait for whoever is, as long as something is wanted."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not wanted() or not self._writing)
                if not wanted():
                    return
                self._writing = True
            self._began = time.monotonic()
            self._pulse.within(STUCK_SECONDS)
            try:
                self._take_a_turn()
            finally:
                self._began = None
                self._pulse.rest()
                with self._changed:
                    self._writing = False
                    self._waiting = [arrival for arrival in self._waiting if not arrival.done]
                    self._changed.notify_all()

    def _take_a_turn(self) -> None:
        if self._outage is None:
            self._commit(self._next())
        elif self._stopping.is_set():
            self._let_go(self._waiting)
        elif self._outage.is_over(self._probe):
            self._try_one(self._outage)
        else:
            self._stopping.wait(TICK_SECONDS)
            self._let_go([arrival for arrival in self._waiting if arrival.overdue])

    def _try_one(self, outage: Outage) -> None:
        """A probe may be well where a message is not: write one of those that are held.

        One that is ignored, or to blame itself, says nothing about the books: the next is tried.
        """
        while held := [arrival for arrival in self._waiting if arrival.left]:
            self._commit(held[:1], at_most=1)
            if self._outage is not outage:
                return
            if not self._outages_in_a_row:
                break
        self._outage = None
        outage.end()
        self._health.well("store")
        self._pace.go_on("books")

    def look_after(self) -> None:
        """Say that a write is slow; break off one that hangs, as with a server that was stopped."""
        began = self._began
        seconds = 0 if began is None else time.monotonic() - began
        if seconds > SLOW_SECONDS and self._told_of != began:
            self._told_of = began
            log.warning("store.slow", seconds=round(seconds, 1))
        if seconds > HANGING_SECONDS:
            self._break_off()

    def _next(self) -> list[Arrival]:
        with self._changed:
            chosen: list[Arrival] = []
            messages = 0
            for arrival in self._waiting:
                if chosen and messages + len(arrival.left) > LARGEST_COMMIT:
                    break
                chosen.append(arrival)
                messages += len(arrival.left)
            return chosen

    def _commit(self, arrivals: Sequence[Arrival], at_most: int | None = None) -> None:
        self._tally.begun(sum(len(arrival.left) for arrival in arrivals if not arrival.begun))
        chosen = [arrival.left[:at_most] for arrival in arrivals]
        handled = self._process([message for some in chosen for message in some])
        with self._changed:
            start = 0
            for arrival, some in zip(arrivals, chosen, strict=True):
                end = start + len(some)
                arrival.take(handled[start:end])
                start = end
        error = next((one.error for one in handled if one.error and one.met_an_outage), None)
        if error:
            self._begin_outage(error)
        elif self._outages_in_a_row and any(one.shows_books_well for one in handled):
            self._outages_in_a_row = 0

    def _begin_outage(self, error: BaseException) -> None:
        self._pace.halt("books")
        self._health.trouble("store", error)
        self._outage = Outage(error, self._outages_in_a_row)
        self._outages_in_a_row += 1
        if self._give_up:
            self._give_up(error)

    def _let_go(self, arrivals: Sequence[Arrival]) -> None:
        """Back to the queue: at once, as an outage ends for all; after several in a row, later."""
        repeated = self._outages_in_a_row > 1
        with self._changed:
            for arrival in arrivals:
                arrival.let_go(back_off(self._outages_in_a_row) if repeated else 0)
