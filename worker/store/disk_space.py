"""How much space the disk of a SQLite database has, and when that is too little.

The store, its probes, `check`, the health and the alert all go by these two thresholds.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from worker.core.errors import Unavailable

FULL_BYTES = 8 * 1024**2
"""With less the disk is full: a batch, its indexes and the `-wal` need as much."""
FULL_SHARE = 1 / 20
"""Of a disk so small that this is less than `FULL_BYTES`."""
LOW_BYTES = 1024**3
"""With less the disk is nearly full, which is reported while there is time to make room."""
LOW_SHARE = 1 / 10
"""Of a disk so small that this is less than `LOW_BYTES`."""


class DiskSpace(NamedTuple):
    """The space on a disk, as far as every user may use it."""

    database: Path
    free_bytes: int
    total_bytes: int

    @property
    def folder(self) -> str:
        """The folder on this disk that holds the database."""
        return os.path.dirname(os.path.realpath(self.database))  # noqa: PTH120 it goes with realpath

    @property
    def full_below_bytes(self) -> int:
        """With less free space nothing is written."""
        return int(min(FULL_BYTES, self.total_bytes * FULL_SHARE))

    @property
    def low_below_bytes(self) -> int:
        """With less free space operators are warned."""
        return int(min(LOW_BYTES, self.total_bytes * LOW_SHARE))

    @property
    def is_full(self) -> bool:
        """Nothing is written any more."""
        return self.free_bytes < self.full_below_bytes

    @property
    def is_low(self) -> bool:
        """It is nearly full, or full."""
        return self.free_bytes < self.low_below_bytes

    def __str__(self) -> str:
        """Describe how full it is, for people."""
        state = "full" if self.is_full else "nearly full"
        free, total = _size(self.free_bytes), _size(self.total_bytes)
        least = f"; nothing is written below {_size(self.full_below_bytes)}"
        return f"the disk of {self.folder} is {state}: {free} of {total} are free{least}"


def disk_space(database: Path) -> DiskSpace | None:
    """Measure the disk of a database, which need not exist yet; None: unknown."""
    for place in (database, database.parent):
        with suppress(OSError):
            found = os.statvfs(place)
            # Some file systems report 0 for everything.
            total = found.f_blocks * found.f_frsize
            free = found.f_bavail * found.f_frsize
            return DiskSpace(database, free, total) if total else None
    return None


def require_room(database: Path) -> None:
    """Make sure, before a commit, that the disk is not full.

    SQLite itself reports a full disk only when it has used the last page of it; then neither the
    `-wal` can be emptied nor the log be written.

    Raises:
        Unavailable: it is full.

    """
    space = disk_space(database)
    if space and space.is_full:
        raise Unavailable(f"{space}. Make room on it")


def _size(count: int) -> str:
    """Return a size with its unit, such as `950 MB`."""
    for unit, size in (("GB", 1000**3), ("MB", 1000**2)):
        if count >= 100 * size:
            return f"{count / size:,.0f} {unit}"
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1000:.0f} kB"
