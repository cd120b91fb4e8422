"""Opens a database file for writing, and knows which files a connection has opened."""

import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from worker.core.errors import Unavailable
from worker.store.files import SHM, WAL, Identity, held_open, identity, require
from worker.store.making import make_database
from worker.store.rights import wal_without_database
from worker.store.sqlite.errors import WAL_DOES_NOT_MATCH
from worker.store.sqlite.shared import Shared, closing, opening
from worker.store.sqlite.wal_index import has_all

BUSY_SECONDS = 10.0
"""How long SQLite waits for a program that writes without taking our lock."""
CACHE_KIB = 16 * 1024
"""Page cache of a connection. SQLite's default of 2 MB holds too few pages of the indexes for a
commit with notices."""
SMALL_CACHE_KIB = 2 * 1024
"""Page cache of a connection for rare use."""
CHECKPOINT_PAGES = 4_000
"""Length of the `-wal` (16 MB) at which it is copied into the database file. A page that several
commits have written is copied once."""


class Connection(sqlite3.Connection):
    """A connection that knows its files, to notice that one of them was removed or replaced."""

    shared: Shared | None = None
    files: tuple[tuple[str, str, Identity], ...] = ()
    """Suffix, path and identity of the database, the `-wal` and the `-shm`."""
    wal_descriptor: int | None = None
    """Of a connection that writes; with it a removed `-wal` can still be read."""

    def misplaced(self) -> tuple[str, ...]:
        """Return the suffixes of files that were removed or replaced: `""`, `-wal`, `-shm`.

        A connection to an immutable file has no files to compare.

        Raises:
            Unavailable: unknown.

        """
        # Called twice a commit, so it is short.
        gone = [suffix for suffix, path, file in self.files if identity(path) != file]
        return tuple(gone)

    def close(self) -> None:
        """Close the connection and leave the files as they are."""
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
    path: Path,
    *,
    create: bool = False,
    cache_kib: int | None = None,
    begin_anew: bool = False,
    overwrite: bool = False,
) -> Connection:
    """Open the file for writing: WAL mode, every commit synced, transactions by hand.

    With `synchronous = FULL` a commit is on the disk when COMMIT returns, so the message can be
    deleted. With NORMAL a power cut could undo the last commits
    (https://sqlite.org/pragma.html#pragma_synchronous). Automatic checkpoints are off: `Opened`
    first checks that both files are in place.

    `begin_anew`: see `shared.opening`. `overwrite`: what is deleted is overwritten with zeros.

    Raises:
        Unavailable: the file does not exist, or its `-wal` and `-shm` do not match.
        sqlite3.Error: it cannot be opened.
        OSError: it cannot be made.

    """
    require_no_wal_without_database(path)
    if create:
        make_database(path)
    real = os.path.realpath(path)
    with opening(require(path), real, begin_anew=begin_anew) as shared:
        connection = _connect(path, "mode=rw")
        try:
            _use_wal(connection)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{cache_kib or CACHE_KIB}")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            if overwrite:
                connection.execute("PRAGMA secure_delete = ON")
            connection.execute("SELECT 1 FROM sqlite_master")
            note_files(connection, shared, guard=partial(open_connection, path, "mode=ro"))
            connection.wal_descriptor = os.open(f"{real}{WAL}", os.O_RDONLY | os.O_CLOEXEC)
            _require_matching_wal(connection, shared)
        except BaseException:
            connection.shared = None
            connection.close()
            raise
    return connection


def require_no_wal_without_database(path: Path) -> None:
    """Make sure that no database is made beside the `-wal` of another.

    Raises:
        Unavailable: there is a `-wal` with commits, and the database is missing or empty.

    """
    if found := wal_without_database(path):
        raise Unavailable(f"{found.message}. {found.fix}")


def open_connection(path: Path, how: str) -> Connection:
    """Open the file with parameters of a SQLite URI, such as `mode=ro`.

    Raises:
        sqlite3.Error: it cannot be opened.

    """
    connection = _connect(path, how)
    try:
        connection.execute("SELECT 1 FROM sqlite_master")  # SQLite opens files when it needs them
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def note_files(
    connection: Connection,
    shared: Shared,
    guard: Callable[[], sqlite3.Connection] | None = None,
) -> None:
    """Note which files a new connection has opened; `guard`: see `Shared.keep`.

    Raises:
        Unavailable: they were replaced at the same moment.

    """
    known = shared.connections > 1 and guard is None  # a reader checks its files at its end
    shared.keep(guard)
    wal = identity(f"{shared.path}{WAL}")
    found = ("", shared.database), (WAL, wal), (SHM, shared.shm)
    files = tuple((suffix, f"{shared.path}{suffix}", file) for suffix, file in found if file)
    if not (known or held_open(file for _, _, file in files)):
        raise Unavailable(f"{shared.path} was replaced while it was opened")
    connection.shared, connection.files = shared, files


def _connect(path: Path, how: str) -> Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        factory=Connection,
    )


def _require_matching_wal(connection: Connection, shared: Shared) -> None:
    """Make sure that the `-wal` belongs to the `-shm`.

    It does not if somebody removed the `-wal` alone. A process that opens the file later could not
    read what would be committed now.

    Raises:
        Unavailable: it does not, and the removed `-wal` holds commits that the database lacks.

    """
    header, wal = shared.header(), connection.wal_descriptor
    if header is None or wal is None or has_all(header, wal):
        return
    if header.all_in_database:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # makes a new -wal
        header = shared.header()
        if header is None or has_all(header, wal):
            return
    raise Unavailable(f"{shared.path}: {WAL_DOES_NOT_MATCH}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL mode, if it is new.

    While another process makes the file SQLite returns BUSY at once, whatever the busy_timeout. So
    this function waits itself.
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
