"""Dead letters are set aside in a thread of their own, so that good messages do not wait for them.

A poller hands its dead letters over and receives again. Few may wait: beyond that a poller sets its
own aside before it receives again, so a flood of them costs memory for no more than these, and
nothing is ever dropped. Nothing is deleted before it is confirmed elsewhere, whichever thread does
it, and what waits has its lease extended.
"""

import threading
from collections.abc import Callable, Sequence
from sys import getsizeof

from worker.consumer.leases import Leases
from worker.core.messages import DeadLetter, Received

MOST_WAITING = 200
"""Dead letters that may be handed over and not yet settled: as many as a poller gathers."""
MOST_WAITING_BYTES = 1_048_576
"""Bytes of their bodies and attributes in memory, which no poller counts any more."""
WAITING = -1
"""Who holds their leases, among the numbers of the pollers."""

DeadLetters = Sequence[tuple[Received, DeadLetter]]


class HandOver:
    """Takes dead letters from pollers. Thread-safe; a single thread runs it."""

    def __init__(self, leases: Leases, pollers: int) -> None:
        """It ends when so many pollers have left."""
        self._leases = leases
        self._pollers = pollers
        self._waiting: list[tuple[Received, DeadLetter]] = []
        self._bytes = 0
        self._changed = threading.Condition()
        self.held = 0
        """Messages taken over and not yet settled."""

    def take(self, poller: int, dead_letters: DeadLetters) -> bool:
        """Take over a poller's dead letters; False: there is no room, and they stay its own."""
        size = _size(dead_letters)
        with self._changed:
            if (
                self.held + len(dead_letters) > MOST_WAITING
                or self._bytes + size > MOST_WAITING_BYTES
            ):
                return False
            self.held += len(dead_letters)
            self._bytes += size
        # Without the lock: an extension of leases, for which this waits, may take seconds.
        self._leases.pass_on(poller, WAITING, [received for received, _ in dead_letters])
        with self._changed:
            self._waiting += dead_letters
            self._changed.notify_all()
        return True

    def leave(self) -> None:
        """Learn that a poller has ended, and hands over nothing more."""
        with self._changed:
            self._pollers -= 1
            self._changed.notify_all()

    def run(self, number: int, set_aside: Callable[[DeadLetters], None]) -> None:
        """Set aside what is handed over, as the poller of this number, until all have left."""
        while dead_letters := self._next():
            size = _size(dead_letters)
            self._leases.pass_on(WAITING, number, [received for received, _ in dead_letters])
            set_aside(dead_letters)
            with self._changed:
                self.held -= len(dead_letters)
                self._bytes -= size
            del dead_letters  # else they stay in memory until the next come

    def _next(self) -> DeadLetters:
        """Wait for dead letters; none: all pollers have left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._pollers <= 0)
            dead_letters, self._waiting = self._waiting, []
            return dead_letters


def _size(dead_letters: DeadLetters) -> int:
    """Bytes in memory, before anything is sent: Python keeps the UTF-8 of a text with it."""
    return sum(
        getsizeof(received.body)
        + sum(getsizeof(part) for value in received.attributes.values() for part in value.values())
        for received, _ in dead_letters
    )
