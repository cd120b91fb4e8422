"""Checks whether this process may write a SQLite file and the files that SQLite has beside it."""

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from worker.store.disk_space import disk_space


class AccessProblem(NamedTuple):
    """Why this process may not write, and how to fix it; both for people."""

    message: str
    fix: str

    def __str__(self) -> str:
        """The problem and its fix."""
        return f"{self.message}: {self.fix}"


def access_problem(path: Path) -> AccessProblem | None:
    """Return what keeps this process from writing the file, its `-wal` or folder; None: nothing.

    The right to write in the folder is enough for files that do not exist yet.
    """
    denied = [file for file in _files(path) if not os.access(file, os.W_OK)]
    lock = Path(f"{os.path.realpath(path)}.lock")
    if _is_there(lock) and not os.access(lock, os.R_OK):  # the lock file is only opened for reading
        denied.append(lock)
    if not denied:
        return _full(path) or lock_of_another(path)
    try:
        status = denied[0].stat()
    except OSError:  # it was removed, as a -wal is
        return None
    first, we = denied[0], _name(os.geteuid())
    names = " ".join(shlex.quote(str(file)) for file in denied)
    if status.st_uid != os.geteuid():
        owner = _name(status.st_uid)
        message = f"{first} belongs to {owner}, and {we} may not write it"
        # Files of root were left by a command. Files of another user are in use by that user.
        return AccessProblem(
            message, f"chown {we} {names}" if status.st_uid == 0 else f"do it as {owner}"
        )
    if not status.st_mode & stat.S_IWUSR:
        return AccessProblem(f"{first} may not be written by its owner, {we}", f"chmod u+w {names}")
    return _read_only(first) or AccessProblem(
        f"{first} cannot be written", "see that its file system is not read-only"
    )


def wal_without_database(path: Path) -> AccessProblem | None:
    """Return a problem if the database was removed and its `-wal` was not.

    SQLite would destroy the `-wal` when it opens an empty database beside it.
    """
    real = os.path.realpath(path)
    if _size(real) or not _size(f"{real}-wal"):
        return None
    return AccessProblem(
        f"The database {path} is gone, and its -wal is still there",
        "Stop every process that has it open; put the backup back and remove "
        f"{path.name}-wal and {path.name}-shm, or remove both to begin with an empty database",
    )


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 as realpath
    except OSError:  # it does not exist, or we may not look into the folder
        return 0


def lock_of_another(path: Path) -> AccessProblem | None:
    """Return a problem if the lock file has another owner than the database.

    That user can stop every write.
    """
    real = os.path.realpath(path)
    lock = Path(f"{real}.lock")
    try:
        status, database = lock.stat(), Path(real).stat()
    except OSError:  # a file does not exist, or we may not look into the folder
        return None
    if status.st_uid == database.st_uid:
        return None
    owner = f"{_name(database.st_uid)}:{_group(database.st_gid)}"
    file = shlex.quote(str(lock))
    return AccessProblem(
        f"The lock file {lock} belongs to the user {_name(status.st_uid)}, "
        "who can stop every write with it",
        f"chown {owner} {file} && chmod 600 {file}",
    )


def _read_only(file: Path) -> AccessProblem | None:
    """Return a problem if the file system is read-only, as this process sees it.

    A service with mounts of its own (ProtectSystem=) does not see a later remount of the host.
    """
    try:
        is_read_only = os.statvfs(file).f_flag & os.ST_RDONLY
    except OSError:
        return None
    if not is_read_only:
        return None
    where = shlex.quote(str(file if file.is_dir() else file.parent))
    return AccessProblem(
        f"the file system of {file} is read-only",
        "make it writable (findmnt --target "
        f"{where}; mount -o remount,rw …). A service that still says so has an old view of the "
        "mounts: systemctl restart ses-worker",
    )


def _full(path: Path) -> AccessProblem | None:
    space = disk_space(path)
    return AccessProblem(str(space), "make room on it") if space and space.is_full else None


def unreadable(path: Path) -> str | None:
    """Name the file, `-wal` or folder that this process may not read, and its owner; or None."""
    for file in _files(path):
        if not os.access(file, os.R_OK | (os.X_OK if file.is_dir() else 0)):
            owner, we = _name(file.stat().st_uid), _name(os.geteuid())
            return f"{file} belongs to {owner}, and {we} may not read it"
    return None


def _files(path: Path) -> Iterator[Path]:
    real = Path(os.path.realpath(path))
    return filter(_is_there, (real, Path(f"{real}-wal"), Path(f"{real}-shm"), real.parent))


def _is_there(file: Path) -> bool:
    return os.path.exists(file)  # noqa: PTH110 Path.exists raises if we may not look into the folder


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _group(group: int) -> str:
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
