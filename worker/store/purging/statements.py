"""Statements that a purge executes, each for any number of rows, in both databases."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, text

from worker.core.purged import PURGED_UNTIL

_KEEP = """
    INSERT INTO progress (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
_DELETE = {
    "sqlite": "DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(:these))",
    "postgresql": (
        "DELETE FROM {table} WHERE {key} = ANY(ARRAY("
        "SELECT value::{kind} FROM json_array_elements_text(CAST(:these AS json))))"
    ),
}
_KEEP_KEYS = {
    "sqlite": (
        "INSERT OR IGNORE INTO kept_keys (key, until_day)"
        " SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]')"
        " FROM json_each(:rows)"
    ),
    "postgresql": (
        "INSERT INTO kept_keys (key, until_day) SELECT value ->> 0, CAST(value ->> 1 AS integer)"
        " FROM json_array_elements(CAST(:rows AS json)) ON CONFLICT DO NOTHING"
    ),
}


def read_progress(connection: Connection, name: str) -> str | None:
    """Return how far a kind of work has come; None: it has not begun."""
    query = text("SELECT value FROM progress WHERE name = :name")
    value: str | None = connection.execute(query, {"name": name}).scalar()
    return value


def keep_progress(connection: Connection, name: str, value: str) -> None:
    """Keep how far a kind of work has come."""
    connection.execute(text(_KEEP), {"name": name, "value": value})


def note_purged_until(connection: Connection, mark: str, *, before: str | None) -> None:
    """Note how late the purged events are at most, before they go; marks compare as times."""
    if before is None or before < mark:
        keep_progress(connection, PURGED_UNTIL, mark)


def delete_rows(connection: Connection, table: str, these: Sequence[int]) -> int:
    """Delete the rows with these ids; return how many there were."""
    return _delete(connection, table, "id", "bigint", these)


def delete_keys(connection: Connection, these: Sequence[str]) -> int:
    """Delete kept keys; return how many there were."""
    return _delete(connection, "kept_keys", "key", "text", these)


def _delete(
    connection: Connection, table: str, key: str, kind: str, these: Sequence[object]
) -> int:
    query = _DELETE[connection.dialect.name].format(table=table, key=key, kind=kind)
    return connection.execute(text(query), {"these": _json(these)}).rowcount


def keep_keys(connection: Connection, rows: Sequence[tuple[str, int]]) -> None:
    """Keep keys, each with the day until which it is kept."""
    if rows:
        query = text(_KEEP_KEYS[connection.dialect.name])
        connection.execute(query, {"rows": _json(sorted(rows))})


def _json(values: Sequence[object]) -> str:
    return msgspec.json.encode(values).decode()
