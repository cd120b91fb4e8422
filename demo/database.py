"""The database, read as an application would: plain SQL on the tables that are promised."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

Row = Mapping[str, Any]


class DatabaseRows(Struct, frozen=True):
    """The rows of the tables at a moment."""

    users: list[Row]
    events: list[Row]
    quarantine: list[Row]


def read_database(file: Path) -> DatabaseRows:
    """Read all three tables at once."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        return DatabaseRows(
            *(_rows(connection, name) for name in ("users", "events", "quarantine"))
        )


def effects_by_state(file: Path) -> Counter[str]:
    """Count what is in the outbox."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT state, count(*) FROM outbox GROUP BY state")
        return Counter(dict(found.fetchall()))


def _rows(connection: sqlite3.Connection, table: str) -> list[Row]:
    query = f"SELECT * FROM {table} ORDER BY id"  # noqa: S608 one of the three names above
    return [dict(row) for row in connection.execute(query)]


def moment(text: str) -> datetime:
    """A time as SQLite has it: UTC, without saying so."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
