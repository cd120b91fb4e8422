"""The writer: one at a time, one transaction for all that has arrived, up to a bound.

Whichever poller comes first writes for all who wait, itself included; the others find their
messages written. So a commit's fsync is shared whenever there is somebody to share it with, and on
a quiet queue no message is passed from thread to thread.
"""

import threading
from collections.abc import Callable, Sequence

from worker.consumer.arrivals import Arrival, met_an_outage
from worker.consumer.outage import Outage
from worker.consumer.pace import Pace
from worker.consumer.tally import Tally
from worker.model import Handled, Received

LARGEST_COMMIT = 200
"""Messages in one transaction: enough to make an fsync cheap, few enough to keep it short."""
TICK_SECONDS = 0.2


class Writer:
    """Thread-safe; whoever writes does so alone."""

    def __init__(
        self,
        *,
        process: Callable[[Sequence[Received]], list[Handled]],
        probe: Callable[[], None],
        tally: Tally,
        pace: Pace,
        stopping: threading.Event,
        give_up: Callable[[BaseException], None] | None,
    ) -> None:
        self._process = process
        self._probe = probe
        self._tally = tally
        self._pace = pace
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
        a message one receive.
        """
        arrival = Arrival(messages)
        with self._changed:
            self._waiting.append(arrival)
        self._take_turns_while(lambda: not arrival.done)
        return arrival.handled

    def await_books(self) -> None:
        """Wait as long as nothing can be written, unless it is over."""
        self._take_turns_while(lambda: self._outage is not None and not self._stopping.is_set())

    def _take_turns_while(self, wanted: Callable[[], bool]) -> None:
        """Be the writer, or wait for whoever is, as long as something is wanted."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not wanted() or not self._writing)
                if not wanted():
                    return
                self._writing = True
            try:
                self._take_a_turn()
            finally:
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
            self._outage = None
            self._pace.go_on()
        else:
            self._stopping.wait(TICK_SECONDS)
            self._let_go([arrival for arrival in self._waiting if arrival.overdue])

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

    def _commit(self, arrivals: Sequence[Arrival]) -> None:
        self._tally.begun(sum(len(arrival.left) for arrival in arrivals if not arrival.begun))
        handled = self._process([message for arrival in arrivals for message in arrival.left])
        with self._changed:
            start = 0
            for arrival in arrivals:
                end = start + len(arrival.left)
                arrival.take(handled[start:end])
                start = end
        errors = [one.error for one in handled if met_an_outage(one)]
        if errors and errors[0]:
            self._begin_outage(errors[0])
        else:
            self._outages_in_a_row = 0

    def _begin_outage(self, error: BaseException) -> None:
        self._pace.halt()
        self._outage = Outage(error, self._outages_in_a_row)
        self._outages_in_a_row += 1
        if self._give_up:
            self._give_up(error)

    def _let_go(self, arrivals: Sequence[Arrival]) -> None:
        with self._changed:
            for arrival in arrivals:
                arrival.let_go()
