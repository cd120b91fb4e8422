"""How long the message path waits for rows that other sessions hold."""

import time

FIRST_WAIT, NEXT_WAIT = "1s", "100ms"
"""Values of `lock_timeout`. Two workers wait for each other's commits, which take milliseconds."""
SHORT_FOR_SECONDS = 10.0


class RowWaits:
    """A wait that was in vain makes the next ones short.

    Whoever holds rows for a second may hold them for an hour, and every commit would wait for one.
    """

    def __init__(self) -> None:
        self._short_until = 0.0

    def lock_timeout(self) -> str:
        """Return how long to wait now."""
        return NEXT_WAIT if time.monotonic() < self._short_until else FIRST_WAIT

    def timed_out(self) -> None:
        """Learn that a wait was in vain."""
        self._short_until = time.monotonic() + SHORT_FOR_SECONDS
