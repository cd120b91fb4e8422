"""The relay's wait budget: it ends with a stop, or at a deadline."""

import threading
import time

from worker.core.errors import Stopped


class WaitBudget:
    """Shared by the lanes, and by senders that wait for their slot."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self._deadline: float | None = None

    @property
    def limited(self) -> bool:
        """There is a deadline."""
        return self._deadline is not None

    def limit(self, seconds: float) -> None:
        """Set the deadline."""
        self._deadline = time.monotonic() + seconds

    def lasts(self, seconds: float) -> bool:
        """Return whether a wait of `seconds` ends before the deadline."""
        return self._deadline is None or time.monotonic() + seconds <= self._deadline

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            Stopped: a stop came, or the wait would outlast the deadline.

        """
        if not self.lasts(seconds) or self.over.wait(seconds):
            raise Stopped
