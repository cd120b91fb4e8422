"""Counts messages by outcome."""

import threading
from collections import Counter

from worker.core.model import Outcome


class Counters:
    """Counts of this run; each message that was begun has a single outcome. Thread-safe."""

    def __init__(self) -> None:
        self._counts: Counter[Outcome] = Counter()
        self._received = 0
        self._lock = threading.Lock()

    def begun(self, count: int) -> None:
        """Count received messages; not those that are released untouched."""
        with self._lock:
            self._received += count

    def ended(self, outcome: Outcome) -> None:
        """Count a message whose outcome is certain."""
        with self._lock:
            self._counts[outcome] += 1

    @property
    def received(self) -> int:
        """How many were begun."""
        return self._received

    @property
    def set_aside(self) -> int:
        """How many were deferred or dead-lettered."""
        return self._counts[Outcome.DEFERRED] + self._counts[Outcome.DEAD_LETTERED]

    def as_dict(self) -> dict[str, int]:
        """`received`, and each outcome by its name."""
        with self._lock:
            outcomes = {outcome.value: self._counts[outcome] for outcome in Outcome}
            return {"received": self._received} | outcomes
