"""Makes the files of a SQLite database, with their owners and permissions."""

import os
import stat
from contextlib import suppress
from pathlib import Path

OWNER_ONLY = 0o600
GROUP_READS = 0o640


def make_database(path: Path) -> None:
    """Make an empty database file if there is none; SQLite copies its mode to `-wal` and `-shm`.

    Only its owner may read it. If the folder has the set-group-ID bit and its group may list it,
    as the service's folder, then the folder's group may read the file, too.

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
    """Open the lock file beside a database, or make it; only its owner may open it.

    A user who can open it can lock it, and so stop all writing. If root makes it, it gets the
    database's owner. If an existing lock file has a wider mode, its owner restricts it.

    Raises:
        OSError: it belongs to another user, or cannot be made.

    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW  # root follows no link of another user's
    try:
        descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    except FileExistsError:
        descriptor = os.open(path, flags)
        _restrict_mode(descriptor)
    else:
        _give_to_owner_of_database(descriptor, path)
    return descriptor


def _restrict_mode(descriptor: int) -> None:
    status = os.fstat(descriptor)
    if status.st_uid == os.geteuid() and stat.S_IMODE(status.st_mode) & ~OWNER_ONLY:
        os.fchmod(descriptor, OWNER_ONLY)


def _give_to_owner_of_database(descriptor: int, lock: Path) -> None:
    if os.geteuid() == 0:
        with suppress(FileNotFoundError):
            owner = Path(str(lock).removesuffix(".lock")).stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
