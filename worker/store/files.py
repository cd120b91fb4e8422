"""Which files are in place: the database, its `-wal` and `-shm`, by device and inode.

Any of them may be removed or replaced at any time, and SQLite goes on with those that it once
opened.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from worker.core.errors import Unavailable

Identity = tuple[int, int]
"""A file's device and inode; while we have it open no other file can have both."""
WAL, SHM, LOCK = "-wal", "-shm", ".lock"


def identity(path: str | Path) -> Identity | None:
    """Return which file has this name; None: none has.

    Raises:
        Unavailable: it is unknown.

    """
    try:
        found = os.stat(path)  # noqa: PTH116 Path.stat costs more, and this is on the path
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    return found.st_dev, found.st_ino


def require(path: str | Path) -> Identity:
    """Return the same of a file that must be there.

    Raises:
        Unavailable: it is not, or it is unknown.

    """
    found = identity(path)
    if found is None:
        raise Unavailable(f"{path}: {os.strerror(2)}")
    return found


def held_open(filter_: Iterable[Identity]) -> bool:
    """Return whether this process has all these files open; True where the system does not say."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            descriptors = os.listdir(folder)  # noqa: PTH208 names, of which some go away meanwhile
            return set(filter_) <= set(_open_files(descriptors))
    return True


def _open_files(descriptors: Iterable[str]) -> Iterable[Identity]:
    for descriptor in descriptors:
        with suppress(OSError):
            found = os.fstat(int(descriptor))
            yield found.st_dev, found.st_ino
