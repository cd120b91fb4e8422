"""Opening the file, and telling what is wrong with it."""

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from worker.core.errors import Misconfigured, Unavailable, Unsynced
from worker.store.files import SHM, WAL, Identity, held_open, identity, require
from worker.store.holders import holder_named
from worker.store.making import make_database
from worker.store.rights import access_problem, unreadable, wal_without_database
from worker.store.sqlite.saving import await_who_saves
from worker.store.sqlite.shared import Shared, closing, is_open_here, one_at_a_time, opening
from worker.store.sqlite.wal_index import has_all, holds_all

BUSY_SECONDS = 10.0
"""How long SQLite itself waits for a program that writes without our lock."""
CACHE_KIB = 16 * 1024
"""Of pages, for each connection; SQLite's own 2 MB lose the indexes to one commit of notices."""
SMALL_CACHE_KIB = 2 * 1024
"""For who asks seldom; what a digest of 5,000 has read or written would fill the other."""
CHECKPOINT_PAGES = 4_000
"""Of the WAL, 16 MB, before they are brought into the file; what was written twice goes once."""
LOOKS_AT_WAL = 5
_PARTED = (
    f"its {WAL} was removed or replaced while another process has it open, which fixes that when "
    "it next writes; if not, stop all of them"
)
_LOCKED_BY_ANOTHER = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL}
_LOCKED = (
    "holds a lock on the database, so nothing can be written. Have it end its transaction. If it "
    "has no business there, take its right to read the database, -wal and -shm away (chmod)"
)
_CANNOT_MAKE_FILES = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}
FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})
UNSYNCED = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}
"""The kernel reports a failed fsync once, and forgets what it could not write: a second fsync may
succeed without it (https://www.usenix.org/conference/atc20/presentation/rebello)."""


class Connection(sqlite3.Connection):
    """A connection that knows its files; what it commits is read again only from these."""

    shared: Shared | None = None
    files: tuple[tuple[str, str, Identity], ...] = ()
    """Suffix, path and which file it was: of the database, the `-wal` and the `-shm`."""
    wal_descriptor: int | None = None
    """Of a connection that writes: a `-wal` that was removed can still be read."""

    def misplaced(self) -> tuple[str, ...]:
        """Return which of its files others do not see: `""`, `-wal`, `-shm`.

        Raises:
            Unavailable: it is unknown.

        """
        # Twice a commit, so it says little. An immutable file has none of them.
        gone = [suffix for suffix, path, file in self.files if identity(path) != file]
        return tuple(gone)

    def close(self) -> None:
        """Close, and leave the files as they are."""
        shared, self.shared = self.shared, None
        descriptor, self.wal_descriptor = self.wal_descriptor, None
        if descriptor is not None:
            os.close(descriptor)
        if shared is None:
            super().close()
        else:
            with closing(shared):
                super().close()


def connect(
    path: Path, *, create: bool = False, cache_kib: int | None = None, begin_anew: bool = False
) -> Connection:
    """Open the file as everybody here does: WAL, every commit synced, transactions by hand.

    `synchronous = FULL` is what lets a message be deleted after its commit: with NORMAL a power
    cut may take the last commits with it (https://sqlite.org/pragma.html#pragma_synchronous).
    The `-wal` is brought into the file by `Opened`, which looks first whether both are in place.

    Raises:
        Unavailable: it is not there, or its files do not belong together.
        sqlite3.Error: it cannot be opened.
        OSError: it cannot be made.

    """
    require_no_wal_without_database(path)
    if create:
        make_database(path)
    real = os.path.realpath(path)
    with opening(require(path), real, begin_anew=begin_anew) as shared:
        connection = _open(path, "mode=rw")
        try:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{cache_kib or CACHE_KIB}")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("SELECT 1 FROM sqlite_master")
            _learn(connection, shared, guard=partial(_look, path, "mode=ro"))
            connection.wal_descriptor = os.open(f"{real}{WAL}", os.O_RDONLY | os.O_CLOEXEC)
            _belong_together(connection, shared)
        except BaseException:
            connection.shared = None
            connection.close()
            raise
    return connection


def _learn(
    connection: Connection,
    shared: Shared,
    guard: Callable[[], sqlite3.Connection] | None = None,
) -> None:
    """Note which files a connection has just opened.

    Raises:
        Unavailable: they were replaced at this very moment.

    """
    known = shared.connections > 1 and guard is None  # readers are looked after at their end, too
    shared.keep(guard)
    wal = identity(f"{shared.path}{WAL}")
    found = ("", shared.database), (WAL, wal), (SHM, shared.shm)
    files = tuple((suffix, f"{shared.path}{suffix}", file) for suffix, file in found if file)
    if not (known or held_open(file for _, _, file in files)):
        raise Unavailable(f"{shared.path} was replaced while it was opened")
    connection.shared, connection.files = shared, files


def _belong_together(connection: Connection, shared: Shared) -> None:
    """Make sure that the `-wal` is the one that the `-shm` speaks of.

    It is not where somebody removed the one and not the other. Then nobody who opens the file later
    could read what is committed now.

    Raises:
        Unavailable: it is not, and the right one holds commits.

    """
    header, wal = shared.header(), connection.wal_descriptor
    if header is None or wal is None or has_all(header, wal):
        return
    if header.all_in_database:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # begins it anew
        header = shared.header()
        if header is None or has_all(header, wal):
            return
    raise Unavailable(f"{shared.path}: {_PARTED}")


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
    """Return whether there is such a file, without opening it.

    Raises:
        Misconfigured: there is something else.
        Unavailable: it is unknown now, there is no place for one, or only its `-wal` is left.

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
        require_no_wal_without_database(path)
        if stat.S_ISDIR(path.stat().st_mode):
            raise Misconfigured(f"store.url: {path} is a directory; name a file in it")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unavailable(f"store.url: {path}: {error.strerror}") from error
    return True


def require_no_wal_without_database(path: Path) -> None:
    """Make sure that no database is made beside what was left of another.

    Raises:
        Unavailable: a `-wal` with commits is there, and the database is not, or is empty.

    """
    if found := wal_without_database(path):
        raise Unavailable(f"{found.message}. {found.fix}")


def look(path: Path, *, trace: bool = True) -> Connection:
    """Open the file to read it: nothing is made or changed, and the right to read is enough.

    A file in WAL mode wants a `-wal` and a `-shm` beside it. Where they are not there and cannot
    be made, or (not `trace`) shall not be, nobody is writing, and SQLite does without.

    Raises:
        Unavailable: it is not there, or was replaced.
        sqlite3.Error: it cannot be opened.

    """
    with one_at_a_time():
        if not trace and nobody_writes(path):
            await_who_saves(os.path.realpath(path))
            return _look(path, "mode=ro&immutable=1")
    try:
        return _look_with_others(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in _CANNOT_MAKE_FILES and nobody_writes(path):
            return _look(path, "mode=ro&immutable=1")
        raise


def nobody_writes(path: Path) -> bool:
    """Return whether the file may be opened as immutable.

    Not where this process has it open: a `-wal` that is not there was removed then.
    """
    beside = any(Path(f"{path}{suffix}").exists() for suffix in (WAL, "-journal"))
    return not beside and not is_open_here(path)


def _look_with_others(path: Path) -> Connection:
    with opening(require(path), os.path.realpath(path)) as shared:
        connection = _look(path, "mode=ro")
        try:
            _learn(connection, shared)
            _has_what_it_reads(shared)
        except BaseException:
            connection.shared = None
            connection.close()
            raise
        return connection


def _has_what_it_reads(shared: Shared) -> None:
    """Make sure that a reader sees every commit; somebody may just be writing.

    Raises:
        Unavailable: the `-wal` in place is not the one that the `-shm` speaks of.

    """
    for _ in range(LOOKS_AT_WAL):
        header = shared.header()
        if header is None or header.all_in_database:
            return
        if holds_all(header, f"{shared.path}{WAL}"):
            return
        time.sleep(0.001)
    raise Unavailable(f"{shared.path}: {_PARTED}")


def _look(path: Path, how: str) -> Connection:
    connection = _open(path, how)
    try:
        connection.execute("SELECT 1 FROM sqlite_master")  # nothing is opened before it is needed
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _open(path: Path, how: str) -> Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )


@contextmanager
def translated(path: Path, *, writes: bool = False) -> Iterator[None]:
    """Distinguish errors of the file, which pass, from errors of the data.

    Where the owner of a file is the problem, the error names it, and for `writes` the fix.

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
        if error.sqlite_errorcode in UNSYNCED:
            raise Unsynced(f"{path}: the disk could not be synced: {error}") from error
        if error.sqlite_errorcode == sqlite3.SQLITE_IOERR_SHORT_READ:
            raise Unavailable(f"{path}: {error}; {_PARTED}") from error
        if error.sqlite_errorcode & 0xFF in _LOCKED_BY_ANOTHER:
            raise Unavailable(f"{path}: {error}. {_who_locks(path)}") from error
        about_rights = error.sqlite_errorcode & 0xFF in _CANNOT_MAKE_FILES
        why = (access_problem if writes else unreadable)(path) if about_rights else None
        whose = f"; {why}" if why else ""
        raise Unavailable(f"{path}: {error}{whose}") from error


def _who_locks(path: Path) -> str:
    """Say who keeps us from writing, as far as the system tells.

    Whoever may read the `-shm` may hold a lock on it that stops every writer.
    """
    real = os.path.realpath(path)
    return f"{holder_named([f'{real}{SHM}'])} {_LOCKED}"
