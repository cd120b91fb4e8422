"""Opening a session, beginning a transaction, and telling what is wrong with the server.

Between a session of ours and the server there may be a pooler such as pgbouncer. In its transaction
mode each transaction may run on another of its connections, which other clients use too: what is
set for a session is then set for them, and not for our next transaction. So everything is set
inside each transaction, with BEGIN and in the same round trip, and no statement is prepared
(https://www.pgbouncer.org/features.html).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import Row

from worker.core.errors import Misconfigured, Raced, Unavailable
from worker.timing.deadlines import left
from worker.timing.deadlines.beside import beside

CONNECT_SECONDS = 5
"""For one address of a server."""
SESSION_SECONDS = 15.0
"""For a session, from the name of the server to the last setting."""
STATEMENT_SECONDS = 30
ANSWER_SECONDS = STATEMENT_SECONDS + 10.0
"""The server itself breaks a statement off before that; one that hangs does nothing by itself."""
LOCK_SECONDS = 5
"""How long one waits for a row or a table that an application has locked."""

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
}
"""Of each transaction; the driver reads times in no other style than ISO."""
# The search path is the one of the role, the database or the URL, not what another client of the
# pooler has set. A server that commits asynchronously would break the promise; one that waits for
# more than its own disk, such as a replica, is left to do so.
_BEGIN = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL search_path TO DEFAULT;
    SELECT set_config('synchronous_commit', 'on', true)
        WHERE current_setting('synchronous_commit') = 'off';
"""
LOCKED = "PostgreSQL: another session holds rows or a table that this needs; try again later"
_RACED = ("23505", "40001", "40P01")
"""unique_violation, serialization_failure, deadlock_detected"""
_UNREACHABLE = (
    "08", "0A", "23502", "25", "26", "28", "3D", "3F", "42", "53", "55", "57", "58", "F0", "XX",
)  # fmt: skip
"""SQLSTATEs, or classes of them, that are about the server, the session or the schema and not about
what is written, for our statements are always the same: connection, feature not supported (a plan
that a changed table has made stale), not-null violation (a column we do not know), transaction
state, unknown prepared statement (a pooler's), authorisation, catalog and schema name, undefined
table or column and privilege, insufficient resources, object in use and lock not available,
operator intervention, system error, configuration file, internal error
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


class NoAnswer(psycopg.OperationalError):
    """The server took a statement and says nothing."""


class _Session(psycopg.Connection[Row]):
    """A session that does not wait for ever for a server that has stopped."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Have a statement answered; give the session up where that takes too long."""
        seconds = max(0.0, min(ANSWER_SECONDS, left(), timeout or ANSWER_SECONDS))
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 `wait` is documented to raise it
            self.pgconn.finish()  # else the rollback would wait as long again
            raise NoAnswer(f"no answer in {seconds:.0f} s") from error


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a session; what is done in it is done inside `in_transaction`.

    Statements are not prepared: measured, commits of 1 and of 200 messages take no less time with
    prepared ones.

    Raises:
        psycopg.Error: as the driver has it.
        Misconfigured: the database cannot hold every text.

    """
    try:
        return beside(
            SESSION_SECONDS,
            partial(_open, url),
            what="a session of PostgreSQL's",
            unwanted=lambda late: late.close(),
        )
    except TimeoutError as error:
        raise psycopg.OperationalError(str(error)) from error


def _open(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    connection = _Session.connect(
        url,
        autocommit=True,
        prepare_threshold=None,
        client_encoding="UTF8",  # whatever PGCLIENTENCODING says
        connect_timeout=CONNECT_SECONDS,
        application_name="ses-worker",
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=30_000,
    )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        database = connection.info.dbname
        connection.close()
        raise Misconfigured(_wrong_encoding(database, encoding))
    return connection


def begin(connection: psycopg.Connection[tuple[Any, ...]], **settings: str) -> None:
    """Begin a transaction: UTC, no wait without an end, commits that wait for the disk.

    `settings` are other values than those that every transaction has.
    """
    chosen = _SETTINGS | settings
    connection.execute(
        _BEGIN + "".join(f"SET LOCAL {name} = '{value}';" for name, value in chosen.items())
    )


@contextmanager
def in_transaction(
    connection: psycopg.Connection[tuple[Any, ...]], **settings: str
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Begin as `begin` does; commit at the end of the block, or roll back.

    Raises:
        psycopg.Error: as the driver has it.

    """
    try:
        begin(connection, **settings)
        yield connection
        _commit(connection)
    except BaseException:
        _roll_back(connection)
        raise


def _commit(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    if connection.info.transaction_status is not TransactionStatus.INTRANS:
        # COMMIT would roll back what a statement has broken, and raise nothing.
        raise psycopg.errors.InFailedSqlTransaction("the transaction cannot be committed")
    connection.commit()


def _roll_back(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    try:
        connection.rollback()
    except psycopg.Error:  # lost: the server rolls back by itself
        connection.close()


def _wrong_encoding(database: str, encoding: str | None) -> str:
    return (
        f"store.url: the database {database} has the encoding {encoding}, which cannot hold every "
        "text that a message may hold. Make a new database, and name it in store.url: CREATE "
        "DATABASE ses ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )


@contextmanager
def translated() -> Iterator[None]:
    """Distinguish errors of the server, which pass, from errors of the data.

    Raises:
        Unavailable: unavailable, shutting down, read-only, full, locked, with other tables than
        ours, … Raced: another worker wrote the same rows at the same moment.
    """
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if state in _RACED:
            raise Raced(
                f"PostgreSQL: another session wrote the same rows at the same moment ({state}); "
                "try again"
            ) from error
        if isinstance(error, psycopg.errors.LockNotAvailable):
            raise Unavailable(LOCKED) from error
        lost = not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if lost or state.startswith(_UNREACHABLE):
            # The rest of the text may quote a row.
            first_line = (error.diag.message_primary or str(error)).partition("\n")[0]
            raise Unavailable(f"PostgreSQL: {first_line}") from error
        raise
