"""Warns while the disk of a SQLite database is nearly full, and says when it has room again."""

import threading

import structlog

from worker.observability.health import Health
from worker.store import Store
from worker.timing.periodic import begin_every

EVERY_SECONDS = 30.0
"""Between two looks."""
DISK = "disk"
"""The problem: it does not make a worker unready, since it still writes."""
_HINT = "make room on it, before nothing can be written"

log = structlog.get_logger()


class DiskWatch:
    """Looks at the space on the disk; each change is logged once."""

    def __init__(self, store: Store, health: Health) -> None:
        self._store = store
        self._health = health
        self._was_low = False

    def look(self) -> None:
        """Report that the disk is nearly full, or that it is not any more."""
        space = self._store.disk_space()
        if space is None:
            return
        if space.is_low:
            self._health.report_problem(DISK, f"{space}; {_HINT}")
        else:
            self._health.resolve(DISK)
        if space.is_low == self._was_low:
            return
        self._was_low = space.is_low
        figures = {
            "folder": space.folder,
            "free_bytes": space.free_bytes,
            "low_below_bytes": space.low_below_bytes,
        }
        if space.is_low:
            log.warning("disk.low", **figures, full_below_bytes=space.full_below_bytes, hint=_HINT)
        else:
            log.info("disk.available", **figures)


def begin_disk_watch(store: Store, health: Health, stopping: threading.Event) -> None:
    """Look every half minute, in a thread of its own, as a disk that hangs stops its reader."""
    look = DiskWatch(store, health).look
    begin_every("disk", EVERY_SECONDS, stopping, look)
