"""Reads the schema revision without loading SQLAlchemy or Alembic, for every start."""

from collections.abc import Collection

from worker.core.errors import Misconfigured

HEAD = "0006"
"""The revision this program works with; a test holds it equal to the newest migration."""
FIRST = "0001"
"""Where this was applied there was no schema before, and so there are no users."""
VERSION_TABLE = "ses_worker_schema"
"""Alembic's table, under a name of our own: the database may be the application's too."""
OUR_TABLES = frozenset({"users", "events", "quarantine", "outbox", "limits", "removals"})


def is_ours(tables: Collection[str], where: str) -> bool:
    """Return whether a schema of ours is there (True) or there is room for one (False).

    Raises:
        Misconfigured: tables of our names are there, and they are not ours.

    """
    if VERSION_TABLE in tables:
        return True
    if our_tables := sorted(OUR_TABLES & set(tables)):
        raise Misconfigured(
            f"{where} already has {' and '.join(our_tables)}, made by another program; "
            "give the worker a database (in PostgreSQL: or a schema) of its own"
        )
    return False
