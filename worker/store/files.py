"""Identifies the database, its `-wal` and its `-shm` by device and inode.

They can be removed or replaced at any time, and SQLite continues with the files that it has open.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from worker.core.errors import Unavailable

Identity = tuple[int, int]
"""Device and inode. While this process has the file open, no other file has the same."""
WAL, SHM, LOCK = "-wal", "-shm", ".lock"


def identity(path: str | Path) -> Identity | None:
    """Return the identity of the file at this path; None if there is none.

    Raises:
        Unavailable: unknown.

    """
    try:
        status = os.stat(path)  # noqa: PTH116 faster than Path.stat, on the message path
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    return status.st_dev, status.st_ino


def require(path: str | Path) -> Identity:
    """Return the identity of a file that must exist.

    Raises:
        Unavailable: it does not exist, or that is unknown.

    """
    found = identity(path)
    if found is None:
        raise Unavailable(f"{path}: {os.strerror(2)}")
    return found


def held_open(files: Iterable[Identity]) -> bool:
    """Return whether this process has all these files open; True if that is unknown."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            descriptors = os.listdir(folder)  # noqa: PTH208 other threads close some meanwhile
            return set(files) <= set(_open_files(descriptors))
    return True


def _open_files(descriptors: Iterable[str]) -> Iterable[Identity]:
    for descriptor in descriptors:
        with suppress(OSError):
            status = os.fstat(int(descriptor))
            yield status.st_dev, status.st_ino
