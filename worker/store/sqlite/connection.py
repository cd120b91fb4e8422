"""Opening the file, and telling what is wrong with it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.errors import Misconfigured, Unavailable

BUSY_SECONDS = 10.0
"""How long SQLite itself waits for a program that writes without our lock."""


def connect(path: Path, *, create: bool = False) -> sqlite3.Connection:
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
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Tell trouble with the file, which passes, from trouble with what is written to it.

    Raises:
        Unavailable: locked, full, read-only, removed, corrupt, without its tables, …
        Misconfigured: the file is something else.

    """
    try:
        yield
    except (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise Misconfigured(f"store.url: {path} is not a SQLite database") from error
        raise Unavailable(f"{path}: {error}") from error


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
