"""The books in a SQLite file."""

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import Misconfigured, Unavailable
from worker.store.locks import WriterLock
from worker.store.revision import VERSION_TABLE, is_ours
from worker.store.sqlite.connection import connect, look, translated
from worker.store.sqlite.transaction import SqliteTransaction

if TYPE_CHECKING:
    from sqlalchemy import Connection

FREE_BYTES_TO_GO_ON = 8 * 1024 * 1024
"""After a full disk: enough for a batch, its indexes and the WAL, with room to spare."""


class SqliteStore:
    """One connection that writes, opened when first needed and again after trouble."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)
        self.lock = WriterLock(path)
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._orphans: list[sqlite3.Connection] = []

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """Begin; commit durably at the end of the block, or roll back.

        Raises:
            Unavailable: the file cannot be written now; nothing was.

        """
        with self.lock.held(), translated(self.path):
            connection = self._connected()
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield SqliteTransaction(connection)
                connection.execute("COMMIT")
            except BaseException:
                self._roll_back(connection)
                raise

    def probe(self) -> None:
        """Find out whether the books can be written again, by a write that changes nothing.

        Raises:
            Unavailable: they cannot.

        """
        with translated(self.path), suppress(FileNotFoundError):
            if shutil.disk_usage(self.path.parent).free < FREE_BYTES_TO_GO_ON:
                raise Unavailable(f"{self.path.parent}: the disk is full")
        with self.transaction() as transaction:
            transaction.seen([])
            transaction.users([])
            transaction.touch()

    @contextmanager
    def reading(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that only reads.

        Raises:
            Unavailable: the file cannot be read.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with (
            translated(self.path),
            engine.transaction("sqlite", partial(look, self.path), "BEGIN") as connection,
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that writes; the file is made where there is none.

        Raises:
            Unavailable: the file cannot be written.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with (
            self.lock.held(),
            translated(self.path),
            engine.transaction(
                "sqlite", partial(connect, self.path, create=True), "BEGIN IMMEDIATE"
            ) as connection,
        ):
            yield connection

    def revision(self) -> str | None:
        """Tell the schema's revision; None where nothing has been made yet.

        Raises:
            Misconfigured: this is no database, or its tables are not ours.
            Unavailable: it cannot be read now.

        """
        if not self._is_there():
            return None
        with translated(self.path), closing(look(self.path, trace=False)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
            if not is_ours(tables, str(self.path)):
                return None
            row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
            return str(row[0]) if row else None

    def _is_there(self) -> bool:
        folder = self.path.parent
        try:
            if not stat.S_ISDIR(folder.stat().st_mode):
                raise Misconfigured(f"store.url: {folder} is not a directory")
        except FileNotFoundError:
            # It may be mounted later.
            raise Unavailable(f"store.url: the directory {folder} does not exist") from None
        except OSError as error:
            raise Unavailable(f"store.url: {folder}: {error.strerror}") from error
        try:
            if stat.S_ISDIR(self.path.stat().st_mode):
                raise Misconfigured(f"store.url: {self.path} is a directory; name a file in it")
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Unavailable(f"store.url: {self.path}: {error.strerror}") from error
        return True

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self.lock.close()

    def _connected(self) -> sqlite3.Connection:
        identity = self._identify()
        if self._connection is not None and identity != self._identity:
            # Commits would go to a file that nobody sees any more. Closing would remove the
            # -wal that now belongs to whatever took its place, so it is only put aside.
            self._orphans.append(self._connection)
            self._connection = None
        if self._connection is None:
            self._connection, self._identity = connect(self.path), identity
        return self._connection

    def _identify(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError as error:
            raise Unavailable(f"{self.path}: {error.strerror}") from error
        return found.st_dev, found.st_ino

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._connection = None
            with suppress(sqlite3.Error):
                connection.close()
