"""How long the message path waits for rows that other sessions have locked."""

import time

FIRST_WAIT, NEXT_WAIT = "1s", "100ms"
"""Values of `lock_timeout`. Two workers wait for each other's commits, which take milliseconds."""
SHORT_FOR_SECONDS = 10.0
"""How long waits are short after a timeout."""


class RowWaits:
    """After a timeout the next waits are short.

    A session that locks rows for a second may lock them for an hour, and each commit would wait.
    """

    def __init__(self) -> None:
        self._short_until = 0.0

    def lock_timeout(self) -> str:
        """Return the `lock_timeout` of the next transaction."""
        return NEXT_WAIT if time.monotonic() < self._short_until else FIRST_WAIT

    def timed_out(self) -> None:
        """Note a timeout."""
        self._short_until = time.monotonic() + SHORT_FOR_SECONDS
