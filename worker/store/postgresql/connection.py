"""Opening a session, and telling what is wrong with the server."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.rows import Row

from worker.deadlines import left
from worker.deadlines.beside import beside
from worker.errors import Raced, Unavailable

CONNECT_SECONDS = 5
"""For one address of a server."""
SESSION_SECONDS = 15.0
"""For a session, from the name of the server to the last setting."""
STATEMENT_SECONDS = 30
ANSWER_SECONDS = STATEMENT_SECONDS + 10.0
"""The server itself breaks a statement off before that; one that hangs does nothing by itself."""
LOCK_SECONDS = 5
"""How long a batch waits for a user's row that an application holds."""

_SESSION = {
    "TimeZone": "UTC",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
    "default_transaction_isolation": "read committed",
}
_RACED = ("23505", "40001", "40P01")
"""unique_violation, serialization_failure, deadlock_detected"""
_AWAY = (
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
    """Open a session as everybody here does: UTC, transactions by hand, no wait without an end.

    Raises:
        psycopg.Error: as the driver has it.

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
        Unavailable: away, shutting down, read-only, full, locked, with other tables than ours, …
        Raced: another worker wrote the same rows at the same moment.

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
        lost = not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        if lost or state.startswith(_AWAY):
            # The rest of the text may quote a row.
            first_line = (error.diag.message_primary or str(error)).partition("\n")[0]
            raise Unavailable(f"PostgreSQL: {first_line}") from error
        raise
