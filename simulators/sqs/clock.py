"""The simulator's time: it passes as real time does, and a test may advance it."""

import time
from collections.abc import Callable


class Clock:
    """Seconds since 1970. Threads that wait are notified when the clock leaps."""

    def __init__(self, start: float | None = None) -> None:
        self._ahead = (time.time() if start is None else start) - time.monotonic()
        self._watchers: list[Callable[[], None]] = []

    def now(self) -> float:
        """Return the time, which never goes back."""
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        """Leap: visibility timeouts, delays, retention and long polls all see it at once."""
        if seconds < 0:
            raise ValueError("the clock of a queue does not go back")
        self._ahead += seconds
        for leapt in self._watchers:
            leapt()

    def watch(self, leapt: Callable[[], None]) -> None:
        """Have `leapt` called after each leap."""
        self._watchers.append(leapt)
