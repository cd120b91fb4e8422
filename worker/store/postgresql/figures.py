"""The statements that add up figures, for PostgreSQL."""

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg

from worker.store.adding_up import NewCounts, Row, Table

_ADDING = "adding_up"
"""Of the row in `progress` that the process has locked which adds up."""
_COLUMNS = ("dimension", "time", "measure", "value", "count")


class PostgresqlFigures:
    """Implements `worker.store.adding_up.FiguresTransaction`."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        self._connection = connection

    def is_ours(self) -> bool:
        """Keep other processes out until the end; return False if another is at work."""
        query = "SELECT 1 FROM progress WHERE name = %s FOR UPDATE SKIP LOCKED"
        if self._connection.execute(query, (_ADDING,)).fetchone():
            return True
        query = "INSERT INTO progress (name, value) VALUES (%s, '') ON CONFLICT DO NOTHING"
        return self._connection.execute(query, (_ADDING,)).rowcount == 1

    def remove_counts(self, rows: Sequence[NewCounts]) -> bool:
        """Remove rows of `new_counts`; return False if some are gone already."""
        query = "DELETE FROM new_counts WHERE id = ANY(%s)"
        ids = [id_ for id_, _ in rows]
        return self._connection.execute(query, (ids,)).rowcount == len(ids)

    def count(self, written: str) -> None:
        """Add a row to `new_counts`."""
        self._connection.execute("INSERT INTO new_counts (counts) VALUES (%s)", (written,))

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Add to the counts of a table."""
        name, time = table
        named = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
        query = (
            f"INSERT INTO {name} (dimension, {time}, measure, value, count)"
            " SELECT dimension, time, measure, value, count FROM json_to_recordset(%s::json)"
            " AS new(dimension text, time timestamptz, measure text, value text, count bigint)"
            f" ON CONFLICT (dimension, {time}, measure, value)"
            f" DO UPDATE SET count = {name}.count + excluded.count"
        )
        self._connection.execute(query, (msgspec.json.encode(named).decode(),))

    def size(self, table: Table, dimension: str, time: str) -> int:
        """Count the rows that a dimension has at a time."""
        query = f"SELECT count(*) {_at(table)}"
        row = self._connection.execute(query, (dimension, time)).fetchone()
        return row[0] if row else 0

    def rows(self, table: Table, dimension: str, time: str) -> list[tuple[str, str, int]]:
        """Return measure, value and count of all that a dimension has at a time."""
        query = f"SELECT measure, value, count {_at(table)}"
        found = self._connection.execute(query, (dimension, time))
        return [(measure, value, count) for measure, value, count in found]

    def remove(self, table: Table, dimension: str, time: str, values: Sequence[str]) -> None:
        """Remove values of a dimension at a time."""
        query = f"DELETE {_at(table)} AND value = ANY(%s)"
        self._connection.execute(query, (dimension, time, list(values)))

    def progress(self, name: str) -> str | None:
        """Return how far a kind of work has come; None: it has not begun."""
        query = "SELECT value FROM progress WHERE name = %s"
        row = self._connection.execute(query, (name,)).fetchone()
        return row[0] if row else None

    def keep_progress(self, name: str, value: str) -> None:
        """Keep how far a kind of work has come."""
        self._connection.execute(
            "INSERT INTO progress (name, value) VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )


def _at(table: Table) -> str:
    name, time = table
    return f"FROM {name} WHERE dimension = %s AND {time} = %s::timestamptz"
