"""Sorts PostgreSQL's errors: errors of the server pass, errors of the data do not."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from worker.core.errors import Raced, Unavailable

LOCKED = "PostgreSQL: another session holds rows or a table that this needs; try again later"
_RACED = ("23505", "40001", "40P01")
"""unique_violation, serialization_failure, deadlock_detected"""
_UNREACHABLE = (
    "08", "0A", "23502", "25", "26", "28", "3D", "3F", "42", "53", "55", "57", "58", "F0", "XX",
)  # fmt: skip
"""SQLSTATEs, or classes of them, with a cause in the server, the session or the schema. The data
are not the cause, for our statements are always the same. In their order: connection, feature not
supported (a plan that a changed table has made stale), not-null violation (an unknown column),
transaction state, unknown prepared statement (a pooler's), authorisation, catalog name, schema
name, undefined table or column and privilege, insufficient resources, object in use and lock not
available, operator intervention, system error, configuration file, internal error
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


@contextmanager
def translated() -> Iterator[None]:
    """Raise errors of the server as `Unavailable`; let errors of the data pass.

    Raises:
        Unavailable: unreachable, shutting down, read-only, full, locked, with unknown tables, …
        Raced: another session wrote the same rows at the same moment.

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
