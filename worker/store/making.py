"""How the files of a SQLite database are made: whose they are, and who may read them."""

import os
import stat
from contextlib import suppress
from pathlib import Path

OWNER_ONLY = 0o600
GROUP_READS = 0o640


def make_database(path: Path) -> None:
    """Make an empty database file where there is none; SQLite gives its `-wal` and `-shm` its mode.

    Nobody but its owner may read it. In a folder whose files belong to the folder's group (the
    set-group-ID bit), and whose group may list it, that group may, too; so it is in the service's.

    Raises:
        OSError: it cannot be made.

    """
    real = os.path.realpath(path)
    folder = os.stat(os.path.dirname(real)).st_mode  # noqa: PTH116, PTH120 as realpath
    shared = folder & stat.S_ISGID and folder & stat.S_IRGRP
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with suppress(FileExistsError):
        os.close(os.open(real, flags, GROUP_READS if shared else OWNER_ONLY))


def open_lock(path: Path) -> int:
    """Open the lock file beside a database, or make it; its owner alone may open it.

    Who can open it can take it, and so stop all writing. One that root makes belongs to whoever
    owns the database; one that was made for more is taken back by its owner, as the same file.

    Raises:
        OSError: it is somebody else's, or cannot be made.

    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW  # root follows no link of others' making
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        descriptor = os.open(path, flags)
        _take_back(descriptor)
    else:
        _hand_over(descriptor, path)
    return descriptor


def _take_back(descriptor: int) -> None:
    found = os.fstat(descriptor)
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & ~OWNER_ONLY:
        os.fchmod(descriptor, OWNER_ONLY)


def _hand_over(descriptor: int, lock: Path) -> None:
    if os.geteuid() == 0:
        with suppress(FileNotFoundError):
            owner = Path(str(lock).removesuffix(".lock")).stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
