"""Copies a database file while other processes write to it."""

import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from worker.store.making import OWNER_ONLY
from worker.store.sqlite.errors import FULL
from worker.store.sqlite.reader import Reader

Report = Callable[[int, int | None], None]
_EVERY_SECONDS = 0.2
"""Between two reports."""
_OF_THE_TARGET = FULL | {
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_LOCK, sqlite3.SQLITE_IOERR_RDLOCK, sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_BUSY,
}  # fmt: skip
"""The database is only read, and nobody but us has the copy open."""


class CopyFailed(Exception):
    """The new file cannot be written; its error is that of SQLite's."""

    def __init__(self, error: sqlite3.DatabaseError) -> None:
        super().__init__(str(error))
        self.error = error


def copy_into(reader: Reader, made: Path, report: Report) -> None:
    """Write the database, as it is at one moment, into a new file; report how many bytes.

    Writers are not held up; the `-wal` grows until the copy is made. `VACUUM INTO` reads in a
    single transaction (https://www.sqlite.org/lang_vacuum.html#vacuuminto). SQLite's backup API
    would begin anew whenever another process commits.

    Raises:
        Unavailable: the database cannot be read now.
        CopyFailed: the file cannot be written.

    """
    connections: list[sqlite3.Connection] = []
    with ThreadPoolExecutor(1, "backup") as pool:
        copying = pool.submit(reader.ask, partial(_vacuum, made=made, connections=connections))
        try:
            _report_until_done(copying, made, report)
        except BaseException:
            if not copying.done():
                for connection in connections:
                    connection.interrupt()
            raise


def _vacuum(
    connection: sqlite3.Connection, made: Path, connections: list[sqlite3.Connection]
) -> None:
    os.close(os.open(made, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, OWNER_ONLY))
    connections.append(connection)
    try:
        _vacuum_into(connection, made)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in _OF_THE_TARGET:
            raise
        raise CopyFailed(error) from error


def _vacuum_into(connection: sqlite3.Connection, made: Path) -> None:
    connection.execute("VACUUM INTO ?", (str(made),))


def _report_until_done(copying: "Future[None]", made: Path, report: Report) -> None:
    while True:
        with suppress(TimeoutError):
            return copying.result(_EVERY_SECONDS)
        with suppress(FileNotFoundError):
            report(made.stat().st_size, None)
