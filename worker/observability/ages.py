"""How old messages are when they are received."""

WINDOW_SECONDS = 60.0
"""`Ages` remembers the current window and the previous."""


class Ages:
    """The age of the oldest message received in the last one or two minutes."""

    def __init__(self) -> None:
        self._since = 0.0
        self._before = self._now = -1.0

    def record(self, seconds: float, at: float) -> None:
        """Record a message of this age."""
        self._rotate(at)
        self._now = max(self._now, seconds)

    def oldest(self, at: float) -> float | None:
        """Return the age when it was received; None: nothing was received lately."""
        passed = at - self._since
        before, now = self._before, self._now
        found = max(before, now) if passed < WINDOW_SECONDS else now
        return found if found >= 0 and passed < 2 * WINDOW_SECONDS else None

    def _rotate(self, at: float) -> None:
        passed = at - self._since
        if passed >= WINDOW_SECONDS:
            self._before = self._now if passed < 2 * WINDOW_SECONDS else -1.0
            self._now, self._since = -1.0, at
