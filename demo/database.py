"""The worker's database, read as an application would: plain SQL on the public tables."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

Row = Mapping[str, Any]


class DatabaseRows(Struct, frozen=True):
    """The rows of the tables at one moment."""

    users: list[Row]
    events: list[Row]


def read_database(file: Path) -> DatabaseRows:
    """Read both tables in one transaction."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        users = connection.execute("SELECT * FROM users ORDER BY id").fetchall()
        events = connection.execute("SELECT * FROM events ORDER BY id").fetchall()
        return DatabaseRows([dict(row) for row in users], [dict(row) for row in events])


def effects_by_state(file: Path) -> dict[str, int]:
    """Count the entries of the outbox by state."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT state, count(*) FROM outbox GROUP BY state")
        return dict(rows.fetchall())


def moment(text: str) -> datetime:
    """Parse a time as SQLite stores it: UTC, without a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
