"""The bites of a purge: short transactions, whose size follows the time that they take."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, text

from worker.core.errors import Unavailable
from worker.core.purged import PURGED_UNTIL
from worker.store import Store

TARGET_SECONDS = 0.015
"""How long a bite shall hold the writer; a slow disk must not make it more than 0.05 s."""
FIRST, LEAST, MOST = 50, 20, 1_000
"""Rows of a bite: of the first, and at least and at most. Fewer would only be more commits, which
take as long."""
_WORKING = "purging"
"""Of the row in `progress` that the process has locked which purges, in PostgreSQL."""
_KEEP = """
    INSERT INTO progress (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


class Bite(Struct, frozen=True, kw_only=True):
    """What a transaction has removed."""

    table: str
    rows: int = 0
    looked_at: int = 0
    held_seconds: float = 0.0
    """How long it held the writer."""


class Faster(Exception):
    """Another process has changed what the bite was made for; it is rolled back."""


class Pace:
    """The size of bites."""

    def __init__(self) -> None:
        self.rows = FIRST
        self.longest = 0.0

    @contextmanager
    def bite(self, store: Store) -> Iterator[Connection]:
        """Begin a transaction that writes; note how long it holds the writer, commit included.

        Raises:
            Unavailable: the store cannot be written now.
            Faster: another process purges.

        """
        began = None
        require_room_in(store)
        try:
            with store.writing() as connection:
                began = time.monotonic()
                _require_ours(connection)
                yield connection
        finally:
            if began is not None:
                self._note(time.monotonic() - began)

    def _note(self, seconds: float) -> None:
        self.longest = max(self.longest, seconds)
        self.held = seconds
        factor = min(1.5, max(0.3, TARGET_SECONDS / max(seconds, 0.0001)))
        self.rows = max(LEAST, min(MOST, int(self.rows * factor)))

    held = 0.0


def require_room_in(store: Store) -> None:
    """Make sure that the disk is not full: what is deleted has to be written, too.

    Raises:
        Unavailable: it is full.

    """
    space = store.disk_space()
    if space and space.is_full:
        raise Unavailable(f"{space}. Make room on it; what was purged stays purged")


def _require_ours(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        return  # the file is locked
    values = {"name": _WORKING}
    locked = text("SELECT 1 FROM progress WHERE name = :name FOR UPDATE SKIP LOCKED")
    if connection.execute(locked, values).first():
        return
    made = text("INSERT INTO progress (name, value) VALUES (:name, '') ON CONFLICT DO NOTHING")
    if connection.execute(made, values).rowcount != 1:
        raise Faster


def read_progress(connection: Connection, name: str) -> str | None:
    """Return how far a kind of work has come; None: it has not begun."""
    query = text("SELECT value FROM progress WHERE name = :name")
    value: str | None = connection.execute(query, {"name": name}).scalar()
    return value


def keep_progress(connection: Connection, name: str, value: str) -> None:
    """Keep how far a kind of work has come."""
    connection.execute(text(_KEEP), {"name": name, "value": value})


def note_purged_until(connection: Connection, mark: str) -> None:
    """Note how late the purged events are at most, before they go; marks compare as times."""
    before = read_progress(connection, PURGED_UNTIL)
    if before is None or before < mark:
        keep_progress(connection, PURGED_UNTIL, mark)


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
