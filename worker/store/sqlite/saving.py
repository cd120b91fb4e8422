"""Waits for a worker that saves commits, before another process opens the database.

A worker whose `-shm` or `-wal` was removed holds commits that no other process sees. It notices the
removal within half a minute and copies them into the database (`Opened.save_commits`). A process
that starts meanwhile must not make a new `-shm` and `-wal`: its own commits and the saved commits
could not both go into the file.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.core.errors import Unavailable
from worker.store.files import SHM, identity
from worker.store.holders import holders_named

SAVING_SECONDS = 60.0
"""How long to wait since a file in the folder was made or removed: twice the time in which a worker
notices it."""
_BEGINNING_SECONDS = 0.5
"""How long another process that is opening the file may take to make its `-shm`."""
_SHARED_FIRST, _SHARED_SIZE = 0x4000_0002, 510
"""Bytes on which every connection to a file in WAL mode holds a read lock (os.h, SHARED_FIRST)."""
_MODE_AT, _WAL_MODE = 18, b"\2\2"


def await_who_saves(path: str) -> None:
    """Wait while another process has the file open with a `-shm` that was removed.

    The caller has no connection to the file: closing a descriptor would release its locks.

    Raises:
        Unavailable: another process still has it open; the message names it.

    """
    deadline = time.monotonic() + _BEGINNING_SECONDS
    while identity(f"{path}{SHM}") is None and _others_have_open(path):
        if not is_time_to_save(path):
            return  # it is not a worker, or it will never notice
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{path}{SHM} was removed while another process has the file open, which saves "
                f"what it holds within a minute{holders_named([path])}"
            )
        time.sleep(0.01)


def is_time_to_save(path: str) -> bool:
    """Return whether a worker may still notice that a file was removed, and save its commits.

    A clock that was set back ends the time.
    """
    return abs(time.time() - Path(path).parent.stat().st_mtime) <= SAVING_SECONDS


@contextmanager
def others_kept_out(path: str) -> Iterator[tuple[int, bool]]:
    """Keep other processes from opening the database during the block.

    Yields a descriptor of the file, and False if another process has the file open already. The
    caller has no connection to the file, and opens no second descriptor of it (see above).

    Raises:
        OSError: the file cannot be opened.

    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        yield descriptor, _locked(descriptor)
    finally:
        os.close(descriptor)


def _others_have_open(path: str) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            is_wal = os.pread(descriptor, 2, _MODE_AT) == _WAL_MODE
            return is_wal and not _locked(descriptor)
        finally:
            os.close(descriptor)
    return False


def _locked(descriptor: int) -> bool:
    """Lock what every connection locks; return False if another process has a connection."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
    except BlockingIOError:
        return False
    return True
