"""How many pollers receive: 1 on an idle queue, more on a deep queue, none while halted.

Python runs a single thread at a time. While pollers wait for the network or the disk, another
poller helps. Once the interpreter is busy, another poller only slows the others down: measured on
two cores, four threads need a quarter more CPU for the same work than a single thread.
"""

import threading
import time
from collections.abc import Callable

WINDOW_SECONDS = 0.02
"""Shortest time over which CPU use is measured."""
BUSY, OVERRUN = 0.75, 0.95
"""Shares of a core: above the first no poller is added, above the second a poller is removed."""


class PollerAutoscaler:
    """Decides after each receive. Thread-safe."""

    def __init__(
        self,
        pollers: int,
        full: int,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._pollers = pollers
        self._full = full
        """Messages in a full receive."""
        self._clock = clock
        self._cpu_clock = cpu_clock
        self._window = clock(), cpu_clock()
        self._allowed = 1
        self._halted: set[str] = set()
        """Reasons for which no poller may receive."""
        self._closed = False
        self._changed = threading.Condition()
        self.empty_in_a_row = 0

    def await_slot(self, poller: int) -> bool:
        """Wait until a poller (counted from 0) may receive; return False after `close`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._may(poller))
            return not self._closed

    def received(self, count: int) -> None:
        """Learn how many messages a receive has brought."""
        with self._changed:
            if count == 0:
                self.empty_in_a_row += 1
                self._allowed = 1
                return
            self.empty_in_a_row = 0
            if count >= self._full:
                self._allow(self._allowed + self._step())

    def receive_failed(self) -> None:
        """Learn that a receive has failed: a single poller finds out when receives work again."""
        with self._changed:
            self._allowed = 1

    @property
    def halted(self) -> bool:
        """No poller may begin to receive."""
        return bool(self._halted)

    def halt(self, why: str) -> None:
        """Let no poller begin to receive until `go_on` was called for each reason."""
        with self._changed:
            self._halted.add(why)

    def go_on(self, why: str) -> None:
        """End a halt for this reason; a single poller receives at first."""
        with self._changed:
            self._halted.discard(why)
            self._allow(1)

    def close(self) -> None:
        """Let no poller receive any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _may(self, poller: int) -> bool:
        return poller < self._allowed and not self._halted

    def _allow(self, pollers: int) -> None:
        self._allowed = max(1, min(pollers, self._pollers))
        self._changed.notify_all()

    def _step(self) -> int:
        """By how many to change the number of pollers, by how busy the interpreter was."""
        now, cpu = self._clock(), self._cpu_clock()
        began, cpu_then = self._window
        if now - began < WINDOW_SECONDS:
            return 0
        self._window = now, cpu
        busy = (cpu - cpu_then) / (now - began)
        if busy < BUSY / 2:
            return self._allowed
        return 1 if busy < BUSY else -1 if busy > OVERRUN else 0
