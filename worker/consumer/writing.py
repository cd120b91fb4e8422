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
from worker.consumer.suspects import WITH_OTHERS, Suspects
from worker.consumer.tally import Tally
from worker.health import Health
from worker.model import DeadLetter, Handled, Reason, Received
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
Part = tuple[Arrival, int]
"""An arrival, and how many of what is left of it."""


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
        who_holds: Callable[[], str] = lambda: "",
    ) -> None:
        self._break_off = break_off
        self._who_holds = who_holds
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
        self._suspects = Suspects()
        self._at_most = LARGEST_COMMIT
        """Messages in the next commit: one after an outage, then twice as many each time."""

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
            self._suspects.looked(away=self._outage.was_seen)
            self._try_one(self._outage)
        else:
            self._stopping.wait(TICK_SECONDS)
            self._let_go([arrival for arrival in self._waiting if arrival.overdue])

    def _try_one(self, outage: Outage) -> None:
        """A probe may be well where a message is not: write one of those that are held.

        One that is ignored, or to blame itself, says nothing about the books: the next is tried.
        """
        while held := [arrival for arrival in self._waiting if arrival.left]:
            self._commit(self._carefully(held))
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
            error = f"A write to the database has taken {seconds:.0f} s{self._who_holds()}"
            log.warning("store.slow", seconds=round(seconds, 1), error=error)
        if seconds > HANGING_SECONDS:
            self._break_off()

    def _next(self) -> Sequence[Part]:
        """Choose what is written next: as much as one commit may hold, unless care is needed."""
        with self._changed:
            waiting = [arrival for arrival in self._waiting if arrival.left]
        if waiting and self._needs_care(waiting):
            return self._carefully(waiting)
        chosen: list[Part] = []
        messages = 0
        for arrival in waiting:
            count = len(arrival.left)
            if chosen and messages + count > LARGEST_COMMIT:
                break
            chosen.append((arrival, count))
            messages += count
        return chosen

    def _needs_care(self, waiting: Sequence[Arrival]) -> bool:
        return self._at_most < LARGEST_COMMIT or any(
            self._suspects.any_in(arrival.left) for arrival in waiting
        )

    def _carefully(self, waiting: Sequence[Arrival]) -> Sequence[Part]:
        """Choose a few, so that a message at which the store breaks off is soon found."""
        rank = self._suspects.rank
        for arrival in waiting:
            arrival.left.sort(key=rank)
        arrival = min(waiting, key=lambda one: rank(one.left[0]))
        if rank(arrival.left[0]) != WITH_OTHERS:
            return [(arrival, 1)]
        others = sum(rank(message) == WITH_OTHERS for message in arrival.left)
        return [(arrival, min(others, self._at_most))]

    def _commit(self, chosen: Sequence[Part]) -> None:
        self._tally.begun(sum(len(arrival.left) for arrival, _ in chosen if not arrival.begun))
        batch = [message for arrival, count in chosen for message in arrival.left[:count]]
        handled = self._handle(batch)
        with self._changed:
            start = 0
            for arrival, count in chosen:
                arrival.take(handled[start : start + count])
                start += count
        error = next((one.error for one in handled if one.error and one.met_an_outage), None)
        if error:
            self._suspects.broke_off(batch, error)
            self._begin_outage(error)
            return
        self._suspects.handled(handled)
        if self._at_most < LARGEST_COMMIT and any(one.shows_books_well for one in handled):
            self._at_most = min(2 * self._at_most, LARGEST_COMMIT)
            self._outages_in_a_row = 0

    def _handle(self, batch: Sequence[Received]) -> list[Handled]:
        if len(batch) == 1 and self._suspects.is_to_blame(batch[0]):
            why = DeadLetter(Reason.STORE_REFUSES, "the store broke off at it, and took others")
            return [Handled(batch[0], why)]
        return self._process(batch)

    def _begin_outage(self, error: BaseException) -> None:
        self._pace.halt("books")
        self._health.trouble("store", error)
        # Something was written since the outage before: this one may be about these messages.
        is_strange = self._at_most < LARGEST_COMMIT and not self._outages_in_a_row
        self._outage = Outage(error, self._outages_in_a_row, soon=is_strange)
        self._outages_in_a_row += 1
        self._at_most = 1
        if self._give_up:
            self._give_up(error)

    def _let_go(self, arrivals: Sequence[Arrival]) -> None:
        """Back to the queue: at once, as an outage ends for all; after several in a row, later."""
        repeated = self._outages_in_a_row > 1
        with self._changed:
            for arrival in arrivals:
                arrival.let_go(back_off(self._outages_in_a_row) if repeated else 0)
