"""The books in PostgreSQL, for several machines; by the driver's own means, like SQLite's."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
import psycopg.conninfo

from worker.errors import Misconfigured, Raced, Unavailable
from worker.model import DeadLetter, Feedback, Received, User
from worker.page import Page
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

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
LOCK_SECONDS = 5
"""How long a batch waits for a user's row that an application holds."""

_SESSION = {
    "TimeZone": "UTC",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
}
_TYPES = dict.fromkeys((*USER_TIMES, "occurred_at", "received_at"), "timestamptz") | {
    "metrics_enabled": "boolean",
    "auto_block_spam": "boolean",
    "hard_bounce_count": "integer",
    "soft_bounce_count": "integer",
    "complaint_count": "integer",
}


def _arrays(columns: Sequence[str]) -> str:
    """`unnest` of one array a column: any number of rows in one statement and one round trip."""
    arrays = (f"%s::{_TYPES.get(name, 'text')}[]" for name in columns)
    return f"unnest({', '.join(arrays)})"


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM {_arrays(columns)}"


_SEEN = """
    SELECT dedupe_key FROM events WHERE dedupe_key = ANY(%s)
    UNION ALL
    SELECT route_key FROM events WHERE route_key = ANY(%s)
"""
# Everybody locks users, and writes rows, in the same order: two workers wait for each other and
# rarely deadlock.
_USERS = f"""
    SELECT {", ".join(USER_COLUMNS)} FROM users
    WHERE email_key = ANY(%s) ORDER BY email_key FOR UPDATE
"""
_ADD_USERS = _insert("users", USER_COLUMNS)
_CHANGE_USERS = f"""
    UPDATE users SET {", ".join(f"{name} = new.{name}" for name in FEEDBACK_COLUMNS)}
    FROM {_arrays((*FEEDBACK_COLUMNS, "email_key"))}
         AS new({", ".join(FEEDBACK_COLUMNS)}, email_key)
    WHERE users.email_key = new.email_key
"""
_ADD_EVENTS = _insert("events", EVENT_COLUMNS)
_QUARANTINE = f"""
    INSERT INTO quarantine ({", ".join(QUARANTINE_COLUMNS)})
    VALUES ({", ".join(["%s"] * len(QUARANTINE_COLUMNS))})
    ON CONFLICT DO NOTHING
"""

_RACED = ("23505", "40001", "40P01")
"""unique_violation, serialization_failure, deadlock_detected"""
_AWAY = ("08", "25006", "28", "3D", "42P01", "42501", "53", "57", "58", "F0", "XX")
"""SQLSTATEs, or classes of them, that are about the server and not about what is written:
connection, read-only transaction, authorisation, catalog name, undefined table, privilege,
insufficient resources, operator intervention, system error, configuration file, internal error
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a session as everybody here does: UTC, transactions by hand, no wait without an end.

    Raises:
        psycopg.Error: as the driver has it.

    """
    connection = psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        application_name="ses-worker",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=30_000,
    )
    for name, value in _SESSION.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    # A server that commits asynchronously would break the promise; one that waits for more than
    # its own disk, such as a replica, is left to do so.
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    return connection


@contextmanager
def translated() -> Iterator[None]:
    """Tell trouble with the server, which passes, from trouble with what is written to it.

    Raises:
        Unavailable: away, shutting down, read-only, full, without its tables, …
        Raced: another worker wrote the same rows at the same moment.

    """
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if state in _RACED:
            raise Raced(state) from error
        lost = not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if lost or state.startswith(_AWAY):
            # The rest of the text may quote a row.
            first_line = (error.diag.message_primary or str(error)).partition("\n")[0]
            raise Unavailable(f"PostgreSQL: {first_line}") from error
        raise


class PostgresqlTransaction:
    """What `worker.process` needs, in a handful of statements."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Read and lock those of them that are users."""
        rows = self._connection.execute(_USERS, (list(email_keys),))
        found = (User(**dict(zip(USER_COLUMNS, row, strict=True))) for row in rows)
        return {user.email_key: user for user in found}

    def seen(self, feedback: Sequence[Feedback]) -> set[str]:
        """Tell which of their dedupe and route keys are on record."""
        dedupe_keys = [item.dedupe_key for item in feedback]
        route_keys = [item.route_key for item in feedback]
        return {key for (key,) in self._connection.execute(_SEEN, (dedupe_keys, route_keys))}

    def save(self, page: Page) -> None:
        """Write the events, and the users as the page leaves them."""
        self._write(_ADD_USERS, [user_row(page.created[key]) for key in sorted(page.created)])
        self._write(_CHANGE_USERS, [feedback_row(user) for user in page.changed.values()])
        self._write(_ADD_EVENTS, sorted(map(event_row, page.decisions), key=itemgetter(0)))

    def _write(self, statement: LiteralString, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            by_column = [list(column) for column in zip(*rows, strict=True)]
            self._connection.execute(statement, by_column)

    def touch(self) -> None:
        """Take a transaction id, so that the commit needs the disk."""
        self._connection.execute("SELECT txid_current()")

    def quarantine(self, queue: str, received: Received, why: DeadLetter) -> None:
        """Keep a message whole; a second time changes nothing."""
        self._connection.execute(_QUARANTINE, quarantine_row(queue, received, why))


class PostgresqlStore:
    """One session that writes, opened when first needed and again after trouble."""

    def __init__(self, url: str) -> None:
        try:
            parts = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError as error:
            raise Misconfigured(f"store.url: {error}") from None
        self.url = url
        self.place = f"PostgreSQL {parts.get('dbname', '')} on {parts.get('host', 'localhost')}"
        self._turn = threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None

    @contextmanager
    def transaction(self) -> Iterator[PostgresqlTransaction]:
        """Begin; commit durably at the end of the block, or roll back.

        Raises:
            Unavailable: the server cannot be written to now; nothing was, or (a connection lost
                while committing) it is not known whether it was.
            Raced: start over.

        """
        with self._turn, translated():
            if self._connection is None or self._connection.closed:
                self._connection = connect(self.url)
            with self._connection.transaction():
                yield PostgresqlTransaction(self._connection)

    def probe(self) -> None:
        """Find out whether the books can be written again, by a write that changes nothing.

        Raises:
            Unavailable: they cannot.

        """
        with self.transaction() as transaction:
            transaction.users([])
            transaction.seen([])
            transaction.touch()

    @contextmanager
    def reading(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that only reads.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self.writing() as connection:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield connection

    @contextmanager
    def writing(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that writes.

        Raises:
            Unavailable: the server cannot be reached, or not written to.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with translated(), engine.transaction("postgresql+psycopg", self._session) as connection:
            yield connection

    def revision(self) -> str | None:
        """Tell the schema's revision; None where nothing has been made yet.

        Raises:
            Misconfigured: the tables are not ours.
            Unavailable: the server cannot be reached.

        """
        with translated(), connect(self.url) as connection:
            found = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
            )
            if not is_ours([name for (name,) in found], "the schema in PostgreSQL"):
                return None
            row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
            return row[0] if row else None

    def _session(self) -> psycopg.Connection[tuple[Any, ...]]:
        connection = connect(self.url)
        connection.autocommit = False  # SQLAlchemy begins by itself
        return connection

    def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
