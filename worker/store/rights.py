"""Whether this process may write a SQLite file, and the files that SQLite has beside it."""

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class AccessProblem(NamedTuple):
    """Why it may not, and what fixes it; both for people."""

    message: str
    fix: str

    def __str__(self) -> str:
        """The problem and its fix."""
        return f"{self.message}: {self.fix}"


def access_problem(path: Path) -> AccessProblem | None:
    """Return what keeps this process from writing the file, its WAL or folder; None: nothing.

    What is not there yet is made, which the right to write in the folder covers.
    """
    hindered = [file for file in _files(path) if not os.access(file, os.W_OK)]
    lock = Path(f"{os.path.realpath(path)}.lock")
    if _is_there(lock) and not os.access(lock, os.R_OK):  # to read is enough
        hindered.append(lock)
    if not hindered:
        return _full(path) or lock_of_another(path)
    try:
        found = hindered[0].stat()
    except OSError:  # it went unavailable, as a WAL does
        return None
    first, we = hindered[0], _name(os.geteuid())
    names = " ".join(shlex.quote(str(file)) for file in hindered)
    if found.st_uid != os.geteuid():
        owner = _name(found.st_uid)
        message = f"{first} belongs to {owner}, and {we} may not write it"
        # What root has left there is ours to have; what somebody else works on is not.
        return AccessProblem(
            message, f"chown {we} {names}" if found.st_uid == 0 else f"do it as {owner}"
        )
    if not found.st_mode & stat.S_IWUSR:
        return AccessProblem(f"{first} may not be written by its owner, {we}", f"chmod u+w {names}")
    return AccessProblem(f"{first} cannot be written", "see that its file system is not read-only")


def wal_without_database(path: Path) -> AccessProblem | None:
    """Report that somebody removed the database and left its `-wal`; None: that is not so.

    SQLite would destroy the `-wal` when it opens an empty file beside it.
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
    except OSError:  # it is not there, or in a folder that is closed to us
        return 0


def lock_of_another(path: Path) -> AccessProblem | None:
    """Return whose the lock file is, if not the database's owner's: who can open it can stop us."""
    real = os.path.realpath(path)
    lock = Path(f"{real}.lock")
    try:
        found, database = lock.stat(), Path(real).stat()
    except OSError:  # one of them is not there, or not ours to see
        return None
    if found.st_uid == database.st_uid:
        return None
    owner = f"{_name(database.st_uid)}:{_group(database.st_gid)}"
    file = shlex.quote(str(lock))
    return AccessProblem(
        f"The lock file {lock} belongs to the user {_name(found.st_uid)}, "
        "who can stop every write with it",
        f"chown {owner} {file} && chmod 600 {file}",
    )


def _full(path: Path) -> AccessProblem | None:
    folder = os.path.dirname(os.path.realpath(path))  # noqa: PTH120 it goes with realpath
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    if (
        found.f_bavail or not found.f_blocks
    ):  # without what is root's; some file systems report nothing
        return None
    return AccessProblem(f"the disk of {folder} is full", "make room on it")


def unreadable(path: Path) -> str | None:
    """Return the owner of the file, WAL or folder that this process may not read; None: none."""
    for file in _files(path):
        if not os.access(file, os.R_OK | (os.X_OK if file.is_dir() else 0)):
            owner, we = _name(file.stat().st_uid), _name(os.geteuid())
            return f"{file} belongs to {owner}, and {we} may not read it"
    return None


def _files(path: Path) -> Iterator[Path]:
    real = Path(os.path.realpath(path))
    return filter(_is_there, (real, Path(f"{real}-wal"), Path(f"{real}-shm"), real.parent))


def _is_there(file: Path) -> bool:
    return os.path.exists(file)  # noqa: PTH110 Path's raises where the folder is closed to us


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
