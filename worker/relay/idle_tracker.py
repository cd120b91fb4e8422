"""Tracks idle lanes; a lane's delivery may enqueue work for another lane."""

import threading
import time


class IdleTracker:
    """Shared by the lanes. Thread-safe."""

    def __init__(self) -> None:
        self.delivered = 0
        self._settled_at = 0.0
        self._looked_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def settled(self, delivered: int) -> None:
        """Record a settled claim and how many effects it delivered."""
        with self._lock:
            self._settled_at = time.monotonic()
            self.delivered += delivered

    def nothing_to_do(self, lane: str, began_to_look: float) -> None:
        """Record that a lane has found nothing that will be due in time."""
        with self._lock:
            self._looked_at[lane] = began_to_look

    def all_quiet(self, lanes: int) -> bool:
        """Return whether every lane has found nothing since the last claim was settled."""
        with self._lock:
            looks = self._looked_at.values()
            return len(looks) == lanes and all(look > self._settled_at for look in looks)
