"""The statements that add up figures, for SQLite."""

import sqlite3
from collections.abc import Sequence

import msgspec

from worker.store.adding_up import NewCounts, Row, Table


class SqliteFigures:
    """Implements `worker.store.adding_up.FiguresTransaction`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def is_ours(self) -> bool:
        """Return True: BEGIN IMMEDIATE has locked the file."""
        return True

    def remove_counts(self, rows: Sequence[NewCounts]) -> bool:
        """Remove rows of `new_counts`; return False if some are gone already.

        SQLite gives the id of a removed row to a new row, so the texts are compared, too.
        """
        query = "DELETE FROM new_counts WHERE id = ? AND counts = ?"
        return self._connection.executemany(query, rows).rowcount == len(rows)

    def count(self, written: str) -> None:
        """Add a row to `new_counts`."""
        self._connection.execute("INSERT INTO new_counts (counts) VALUES (?)", (written,))

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Add to the counts of a table."""
        name, time = table
        self._connection.executemany(
            f"INSERT INTO {name} (dimension, {time}, measure, value, count) VALUES (?, ?, ?, ?, ?)"
            f" ON CONFLICT (dimension, {time}, measure, value)"
            " DO UPDATE SET count = count + excluded.count",
            rows,
        )

    def size(self, table: Table, dimension: str, time: str) -> int:
        """Count the rows that a dimension has at a time."""
        name, column = table
        query = f"SELECT count(*) FROM {name} WHERE dimension = ? AND {column} = ?"
        count: int = self._connection.execute(query, (dimension, time)).fetchone()[0]
        return count

    def rows(self, table: Table, dimension: str, time: str) -> list[tuple[str, str, int]]:
        """Return measure, value and count of all that a dimension has at a time."""
        name, column = table
        query = f"SELECT measure, value, count FROM {name} WHERE dimension = ? AND {column} = ?"
        return self._connection.execute(query, (dimension, time)).fetchall()

    def remove(self, table: Table, dimension: str, time: str, values: Sequence[str]) -> None:
        """Remove values of a dimension at a time."""
        name, column = table
        self._connection.execute(
            f"DELETE FROM {name} WHERE dimension = ? AND {column} = ?"
            " AND value IN (SELECT value FROM json_each(?))",
            (dimension, time, _json(values)),
        )

    def progress(self, name: str) -> str | None:
        """Return how far a kind of work has come; None: it has not begun."""
        query = "SELECT value FROM progress WHERE name = ?"
        row = self._connection.execute(query, (name,)).fetchone()
        return row[0] if row else None

    def keep_progress(self, name: str, value: str) -> None:
        """Keep how far a kind of work has come."""
        self._connection.execute(
            "INSERT INTO progress (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()
