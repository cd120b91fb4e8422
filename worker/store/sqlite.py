"""The books in a SQLite file, by the driver's own means: this is the path of every message."""

import shutil
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from worker.errors import Misconfigured, Unavailable
from worker.model import DeadLetter, Feedback, Received, User
from worker.page import Page
from worker.reading import parse_time
from worker.store.locks import WriterLock
from worker.store.revision import VERSION_TABLE, is_ours
from worker.store.rows import (
    EVENT_COLUMNS,
    FEEDBACK_COLUMNS,
    QUARANTINE_COLUMNS,
    USER_COLUMNS,
    USER_TIMES,
    event_row,
    feedback_row,
    quarantine_row,
    user_row,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

BUSY_SECONDS = 10.0
"""How long SQLite itself waits for a program that writes without our lock."""
FREE_BYTES_TO_GO_ON = 8 * 1024 * 1024
"""After a full disk: enough for a batch, its indexes and the WAL, with room to spare."""

_SEEN = """
    SELECT dedupe_key FROM events WHERE dedupe_key IN (SELECT value FROM json_each(?))
    UNION ALL
    SELECT route_key FROM events WHERE route_key IN (SELECT value FROM json_each(?))
"""
_USERS = f"""
    SELECT {", ".join(USER_COLUMNS)} FROM users
    WHERE email_key IN (SELECT value FROM json_each(?))
"""
_CHANGE_USER = f"""
    UPDATE users SET {", ".join(f"{name} = ?" for name in FEEDBACK_COLUMNS)} WHERE email_key = ?
"""


def _insert(table: str, columns: Sequence[str]) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"


_ADD_USER = _insert("users", USER_COLUMNS)
_ADD_EVENT = _insert("events", EVENT_COLUMNS)
_QUARANTINE = _insert("quarantine", QUARANTINE_COLUMNS) + " ON CONFLICT DO NOTHING"


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
        connection.execute("PRAGMA journal_mode = WAL")
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


class SqliteTransaction:
    """What `worker.process` needs, in a handful of statements."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def seen(self, feedback: Sequence[Feedback]) -> set[str]:
        """Tell which of their dedupe and route keys are on record."""
        dedupe_keys = _json([item.dedupe_key for item in feedback])
        route_keys = _json([item.route_key for item in feedback])
        return {key for (key,) in self._connection.execute(_SEEN, (dedupe_keys, route_keys))}

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Read those of them that are users; BEGIN IMMEDIATE keeps everybody else off."""
        found = map(_user, self._connection.execute(_USERS, (_json(list(email_keys)),)))
        return {user.email_key: user for user in found}

    def save(self, page: Page) -> None:
        """Write the events, and the users as the page leaves them."""
        write = self._connection.executemany
        if page.created:
            write(_ADD_USER, [_plain(user_row(user)) for user in page.created.values()])
        if page.changed:
            write(_CHANGE_USER, [_plain(feedback_row(user)) for user in page.changed.values()])
        write(_ADD_EVENT, [_plain(event_row(decision)) for decision in page.decisions])

    def touch(self) -> None:
        """Write something that changes nothing, so that the commit needs the disk."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        self._connection.execute(f"PRAGMA user_version = {version:d}")

    def quarantine(self, queue: str, received: Received, why: DeadLetter) -> None:
        """Keep a message whole; a second time changes nothing."""
        row = quarantine_row(queue, received, why)
        self._connection.execute(_QUARANTINE, _plain(row))


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
            engine.transaction("sqlite", partial(connect, self.path), "BEGIN") as connection,
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
        if self.path.is_dir():
            raise Misconfigured(f"store.url: {self.path} is a directory; name a file in it")
        if not self.path.exists():
            return None
        with translated(self.path), closing(connect(self.path)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
            if not is_ours(tables, str(self.path)):
                return None
            row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
            return str(row[0]) if row else None

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


def _plain(row: Sequence[Any]) -> list[Any]:
    return [_text(value) if isinstance(value, datetime) else value for value in row]


def _text(time: datetime) -> str:
    """`YYYY-MM-DD HH:MM:SS.ffffff`; all our times are UTC."""
    return time.isoformat(" ", "microseconds")[:26]


def _user(row: Sequence[Any]) -> User:
    values = dict(zip(USER_COLUMNS, row, strict=True))
    for name in USER_TIMES:
        values[name] = parse_time(values[name])
    for name in ("metrics_enabled", "auto_block_spam"):
        values[name] = bool(values[name])
    return User(**values)


def _json(keys: Sequence[str]) -> str:
    return msgspec.json.encode(keys).decode()
