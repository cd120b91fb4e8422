"""Opening the file, and telling what is wrong with it."""

import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from worker.errors import Misconfigured, Unavailable, Unsynced
from worker.store.rights import hindrance, unreadable

BUSY_SECONDS = 10.0
"""How long SQLite itself waits for a program that writes without our lock."""
CACHE_KIB = 16 * 1024
"""Of pages, for each connection; SQLite's own 2 MB lose the indexes to one commit of notices."""
SMALL_CACHE_KIB = 2 * 1024
"""For who asks seldom; what a digest of 5,000 has read or written would fill the other."""
CHECKPOINT_PAGES = 4_000
"""Of the WAL, 16 MB, before they are brought into the file; what was written twice goes once."""
_CANNOT_MAKE_FILES = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
_UNSYNCED = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
"""The kernel tells a failed fsync once, and forgets what it could not write: a second fsync may
succeed without it (https://www.usenix.org/conference/atc20/presentation/rebello)."""


def connect(
    path: Path, *, create: bool = False, cache_kib: int | None = None
) -> sqlite3.Connection:
    """Open the file as everybody here does: WAL, every commit synced, transactions by hand.

    `synchronous = FULL` is what lets a message be deleted after its commit: with NORMAL a power
    cut may take the last commits with it (https://sqlite.org/pragma.html#pragma_synchronous).
    """
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{cache_kib or CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection) -> None:
    """Have a WAL, as the file does from its first opening on.

    SQLite asks nobody to wait when it is to change the mode of a file that somebody else is just
    making (busy_timeout does not hold for that), so the waiting is ours.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def is_there(path: Path) -> bool:
    """Tell whether there is such a file, without opening it.

    Raises:
        Misconfigured: there is something else.
        Unavailable: it cannot be told now, or there is no place for one.

    """
    folder = path.parent
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise Misconfigured(f"store.url: {folder} is not a directory")
    except FileNotFoundError:
        # It may be mounted later.
        raise Unavailable(f"store.url: the directory {folder} does not exist") from None
    except OSError as error:
        raise Unavailable(f"store.url: {folder}: {error.strerror}") from error
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise Misconfigured(f"store.url: {path} is a directory; name a file in it")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unavailable(f"store.url: {path}: {error.strerror}") from error
    return True


def look(path: Path, *, trace: bool = True) -> sqlite3.Connection:
    """Open the file to read it: nothing is made or changed, and the right to read is enough.

    A file in WAL mode wants a `-wal` and a `-shm` beside it. Where they are not there and cannot
    be made, or (not `trace`) shall not be, nobody is writing, and SQLite does without.
    """
    alone = not any(Path(f"{path}{suffix}").exists() for suffix in ("-wal", "-journal"))
    if alone and not trace:
        return _look(path, "mode=ro&immutable=1")
    try:
        return _look(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if alone and error.sqlite_errorcode & 0xFF in _CANNOT_MAKE_FILES:
            return _look(path, "mode=ro&immutable=1")
        raise


def take_leave(connection: sqlite3.Connection, path: Path) -> None:
    """Close, and leave an empty `-wal` and a `-shm` behind; the caller holds the writers' lock.

    The last connection removes both, and a reader who may not write in the folder could not open
    the file without them (https://sqlite.org/wal.html#read_only_databases). So the last one is one
    that may only read, and so removes nothing.
    """
    with suppress(sqlite3.Error), closing(_look(path, "mode=ro", busy_seconds=0)):
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()


def leave_for_readers(path: Path) -> None:
    """Have a `-wal` and a `-shm` beside a file that was closed."""
    with suppress(sqlite3.Error):
        _look(path, "mode=ro").close()


def _look(path: Path, how: str, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=busy_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("SELECT 1 FROM sqlite_master")  # nothing is opened before it is needed
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def translated(path: Path, *, writes: bool = False) -> Iterator[None]:
    """Tell trouble with the file, which passes, from trouble with what is written to it.

    Where it is the trouble whose file it is, that is told, and who `writes` is told what mends it.

    Raises:
        Unavailable: locked, full, read-only, removed, corrupt, with other tables than ours, …
        Unsynced: the disk has refused an fsync.
        Misconfigured: the file is something else.

    """
    try:
        yield
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    except (sqlite3.DataError, sqlite3.ProgrammingError):
        raise
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_NOTNULL:  # a column we do not know
            raise Unavailable(f"{path}: {error}") from error
        raise
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise Misconfigured(f"store.url: {path} is not a SQLite database") from error
        if error.sqlite_errorcode in _UNSYNCED:
            raise Unsynced(f"{path}: the disk could not be synced: {error}") from error
        about_rights = error.sqlite_errorcode & 0xFF in _CANNOT_MAKE_FILES
        why = (hindrance if writes else unreadable)(path) if about_rights else None
        whose = f"; {why}" if why else ""
        raise Unavailable(f"{path}: {error}{whose}") from error
