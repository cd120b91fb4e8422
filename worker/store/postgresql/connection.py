"""Opens sessions and begins transactions.

There may be a pooler such as pgbouncer before the server. In its transaction mode each transaction
can run on another connection, which other clients use too. Settings of a session would reach those
clients and not our next transaction. So all settings are part of each transaction, sent with BEGIN
in the same round trip, and no statement is prepared (https://www.pgbouncer.org/features.html).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import Row

from worker.core.errors import Misconfigured
from worker.timing.deadlines import left
from worker.timing.deadlines.beside import beside

CONNECT_SECONDS = 5
"""How long to try each address of the server."""
SESSION_SECONDS = 15.0
"""How long opening a session may take, name resolution included."""
STATEMENT_SECONDS = 30
"""How long a statement may take; then the server cancels it."""
ANSWER_SECONDS = STATEMENT_SECONDS + 10.0
"""How long to wait for an answer; a server that hangs cancels nothing."""
LOCK_SECONDS = 5
"""How long a statement waits for a row or a table that another session has locked."""

_SETTINGS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
}
"""Settings of each transaction. The driver can read times only in the ISO style."""
# The search path is that of the role, the database or the URL, and not what another client of the
# pooler has set. With `synchronous_commit = off` a commit might be lost after its message was
# deleted. Values that wait for more than the server's own disk, such as a replica, are kept.
_BEGIN = """
    BEGIN ISOLATION LEVEL READ COMMITTED;
    SET LOCAL search_path TO DEFAULT;
    SELECT set_config('synchronous_commit', 'on', true)
        WHERE current_setting('synchronous_commit') = 'off';
"""


class NoAnswer(psycopg.OperationalError):
    """The server received a statement and does not answer."""


class _Session(psycopg.Connection[Row]):
    """A session with a time limit on every answer of the server."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer; after the time limit close the session."""
        seconds = max(0.0, min(ANSWER_SECONDS, left(), timeout or ANSWER_SECONDS))
        try:
            return super().wait(gen, interval, seconds)
        except psycopg.errors._WaitTimeout as error:  # noqa: SLF001 `wait` is documented to raise it
            self.pgconn.finish()  # else the rollback would wait just as long
            raise NoAnswer(f"no answer in {seconds:.0f} s") from error


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a session; it is used only inside `in_transaction`.

    Statements are not prepared: commits of 1 and of 200 messages were measured, and prepared
    statements save no time.

    Raises:
        psycopg.Error: the driver's errors.
        Misconfigured: the database cannot store every text.

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
    """Begin a transaction: in UTC, with time limits, and commits that wait for the disk.

    `settings` replace the settings that every transaction has.
    """
    connection.execute(_BEGIN + _set_local(_SETTINGS | settings))


def begin_snapshot(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    """Begin to read everything as of the first query, for as long as it takes."""
    statement = _BEGIN.replace("READ COMMITTED", "REPEATABLE READ READ ONLY")
    unlimited = dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout"), "0")
    connection.execute(statement + _set_local(_SETTINGS | unlimited))


def _set_local(settings: Mapping[str, str]) -> str:
    return "".join(f"SET LOCAL {name} = '{value}';" for name, value in settings.items())


@contextmanager
def in_transaction(
    connection: psycopg.Connection[tuple[Any, ...]], **settings: str
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Begin as `begin` does; commit at the end of the block, or roll back.

    Raises:
        psycopg.Error: the driver's errors.

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
        # After a failed statement COMMIT would roll back and raise nothing.
        raise psycopg.errors.InFailedSqlTransaction("the transaction cannot be committed")
    connection.commit()


def _roll_back(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    try:
        connection.rollback()
    except psycopg.Error:  # the connection is lost, so the server rolls back
        connection.close()


def _wrong_encoding(database: str, encoding: str | None) -> str:
    return (
        f"store.url: the database {database} has the encoding {encoding}, which cannot hold every "
        "text that a message may hold. Make a new database, and name it in store.url: CREATE "
        "DATABASE ses ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
