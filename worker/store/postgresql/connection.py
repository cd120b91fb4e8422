"""Opening a session, and telling what is wrong with the server."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from worker.errors import Raced, Unavailable

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
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
