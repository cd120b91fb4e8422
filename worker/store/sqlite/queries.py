"""Queries of a SQLite store that need no SQLAlchemy."""

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from worker.core.times import time_text
from worker.store.figures import EFFECTS, QUARANTINED, Figures
from worker.store.revision import VERSION_TABLE, is_ours
from worker.store.unfinished import ANY, QUERY, Unfinished

_ANY_UNFINISHED = ANY.format(lane=":lane")


def read_revision(connection: sqlite3.Connection, path: str) -> str | None:
    """Read the schema's revision; None where there are no tables.

    Raises:
        Misconfigured: the tables are another program's.

    """
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    if not is_ours(tables, path):
        return None
    row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
    return str(row[0]) if row else None


def count_unfinished(connection: sqlite3.Connection) -> list[Unfinished]:
    """Count the effects that are not finished."""
    return [Unfinished(*row) for row in connection.execute(QUERY)]


def has_unfinished(connection: sqlite3.Connection, lane: str) -> bool:
    """Return whether a lane has effects that are not finished."""
    return bool(connection.execute(_ANY_UNFINISHED, {"lane": lane}).fetchone()[0])


def count_waiting(connection: sqlite3.Connection) -> Figures:
    """Count effects and quarantined messages."""
    effects = {(lane, kind, state): n for lane, kind, state, n in connection.execute(EFFECTS)}
    (quarantined,) = connection.execute(QUARANTINED).fetchone()
    return Figures(quarantined=quarantined, effects=effects)


def answer(
    connection: sqlite3.Connection, query: str, values: Mapping[str, object]
) -> list[tuple[Any, ...]]:
    """Run a query with `{name}` in place of each value."""
    statement = query.format_map({name: f":{name}" for name in values})
    plain = {
        name: time_text(value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }
    return connection.execute(statement, plain).fetchall()
