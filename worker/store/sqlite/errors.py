"""Sorts SQLite's errors: errors of the file pass, errors of the data do not."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.core.errors import Misconfigured, Unavailable, Unsynced
from worker.store.files import SHM, WAL
from worker.store.holders import holder_named
from worker.store.rights import access_problem, unreadable

FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
"""Error codes of a disk without room."""
UNSYNCED = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
"""Error codes of a failed fsync. The kernel reports it once and then forgets the data that it could
not write, so a second fsync may succeed without the data
(https://www.usenix.org/conference/atc20/presentation/rebello)."""
CANNOT_MAKE_FILES = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_LOCKED_BY_ANOTHER = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL})

WAL_DOES_NOT_MATCH = (
    f"its {WAL} was removed or replaced while another process has it open, which fixes that when "
    "it next writes; if not, stop all of them"
)
_LOCKED = (
    "holds a lock on the database, so nothing can be written. Have it end its transaction. If it "
    "has no business there, remove its right to read the database, -wal and -shm (chmod)"
)


@contextmanager
def translated(path: Path, *, writes: bool = False) -> Iterator[None]:
    """Raise errors of the file as `Unavailable`; let errors of the data pass.

    If the cause is the owner or the mode of a file, the message says so; with `writes` it also says
    how to fix it.

    Raises:
        Unavailable: locked, full, read-only, removed, corrupt, with unknown tables, …
        Unsynced: an fsync failed.
        Misconfigured: the file is not a SQLite database.

    """
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    except (sqlite3.DataError, sqlite3.ProgrammingError):
        raise
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_NOTNULL:  # an unknown column
            raise Unavailable(f"{path}: {error}") from error
        raise
    except sqlite3.DatabaseError as error:
        raise _error_of_the_file(path, error, writes=writes) from error


def _error_of_the_file(path: Path, error: sqlite3.DatabaseError, *, writes: bool) -> Exception:
    code = error.sqlite_errorcode
    if code == sqlite3.SQLITE_NOTADB:
        return Misconfigured(f"store.url: {path} is not a SQLite database")
    if code in UNSYNCED:
        return Unsynced(f"{path}: the disk could not be synced: {error}")
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return Unavailable(f"{path}: {error}; {WAL_DOES_NOT_MATCH}")
    if code & 0xFF in _LOCKED_BY_ANOTHER:
        return Unavailable(f"{path}: {error}. {_lock_holder(path)} {_LOCKED}")
    problem = None
    if code & 0xFF in CANNOT_MAKE_FILES:
        problem = access_problem(path) if writes else unreadable(path)
    return Unavailable(f"{path}: {error}; {problem}" if problem else f"{path}: {error}")


def _lock_holder(path: Path) -> str:
    """Name the process that locks the `-shm`. The right to read the file is enough for a lock."""
    return holder_named([f"{os.path.realpath(path)}{SHM}"])


def is_about_the_file(error: BaseException) -> bool:
    """Return whether an error of SQLite has another cause than the row that was written."""
    about_a_row = sqlite3.DataError | sqlite3.IntegrityError | sqlite3.ProgrammingError
    return isinstance(error, sqlite3.Error) and not isinstance(error, about_a_row)


def error_code(error: BaseException) -> int | None:
    """Return SQLite's extended error code; None for other errors."""
    return getattr(error, "sqlite_errorcode", None)
