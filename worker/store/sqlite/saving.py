"""Leaving time to a worker whose `-shm` or `-wal` was removed, before another begins without it.

Who has them open holds commits that nobody else can see, notices within half a minute, and brings
them into the database (`Opened.save_commits`). A process that starts meanwhile and makes new ones
would be in the way: what it writes and what is saved could not both be in the file.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from worker.core.errors import Unavailable
from worker.store.files import SHM, identity
from worker.store.holders import said_of_holders

SAVING_SECONDS = 60.0
"""Since something was last made or removed in the folder: twice what a worker takes to notice."""
_BEGINNING_SECONDS = 0.5
"""Somebody may just be opening the file, and make a `-shm` in a moment."""
_SHARED_FIRST, _SHARED_SIZE = 0x4000_0002, 510
"""Bytes that every connection to a file in WAL mode holds a read lock on (os.h, SHARED_FIRST)."""
_MODE_AT, _WAL_MODE = 18, b"\2\2"


def await_who_saves(path: str) -> None:
    """Make sure that nobody has the file open with a `-shm` that is not there any more.

    The caller has no connection to it: closing a descriptor would take its locks away.

    Raises:
        Unavailable: somebody has; the message says who.

    """
    deadline = time.monotonic() + _BEGINNING_SECONDS
    while identity(f"{path}{SHM}") is None and _others_have_open(path):
        if abs(time.time() - Path(path).parent.stat().st_mtime) > SAVING_SECONDS:
            return  # it is no worker, or one that will never notice; or the clock was set back
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{path}{SHM} was removed while another process has the file open, which saves "
                f"what it holds within a minute{said_of_holders([path])}"
            )
        time.sleep(0.01)


def _others_have_open(path: str) -> bool:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if os.pread(descriptor, 2, _MODE_AT) != _WAL_MODE:
                return False
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False
