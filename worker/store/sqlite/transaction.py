"""The statements of the message path, with `sqlite3` alone, because every message runs them."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

import msgspec

from worker.core.account_events import AccountEvent
from worker.core.counting import encode_rows
from worker.core.effects import OutboxEntry
from worker.core.folding import Recorded
from worker.core.messages import DeadLetter, Received
from worker.core.model import Feedback, User
from worker.core.parsing import parse_time
from worker.core.past import MOST_PAST, OnRecord
from worker.core.purged import with_kept
from worker.core.times import time_text
from worker.core.tombstones import Tombstone
from worker.core.unit_of_work import UnitOfWork
from worker.store.rows import (
    ACCOUNT_EVENT_COLUMNS,
    AS_USER,
    EVENT_COLUMNS,
    FEEDBACK_COLUMNS,
    FORGIVENESS_COLUMNS,
    OUTBOX_COLUMNS,
    PAST_COLUMNS,
    PAST_KINDS,
    QUARANTINE_COLUMNS,
    RECORDED_COLUMNS,
    SHADOW_COLUMNS,
    USER_COLUMNS,
    account_event_row,
    event_row,
    feedback_row,
    forgiveness_row,
    on_record,
    outbox_row,
    quarantine_row,
    read_recorded,
    read_user,
    shadow_row,
    user_row,
)
from worker.store.sqlite.figures import SqliteFigures
from worker.store.tombstone_rows import (
    KEY_ID_MARK,
    TOMBSTONE_COLUMNS,
    read_tombstone,
    take_key_id,
)
from worker.timing import clock

_KNOWN_KEYS = f"""
    SELECT dedupe_key FROM events WHERE dedupe_key IN (SELECT value FROM json_each(?))
    UNION ALL
    SELECT route_key FROM events WHERE route_key IN (SELECT value FROM json_each(?))
    UNION ALL
    SELECT value FROM progress WHERE name = 'purged_until'
    UNION ALL
    SELECT * FROM (SELECT key_id || '{KEY_ID_MARK}' FROM forgotten LIMIT 1)
"""
_TOMBSTONE = f"SELECT {', '.join(TOMBSTONE_COLUMNS)} FROM forgotten WHERE digest = ?"
_STRENGTHEN = """
    UPDATE forgotten SET blocked = blocked OR :blocked, paused_until = CASE
        WHEN paused_until IS NULL OR paused_until < :until THEN :until ELSE paused_until END
    WHERE digest = :digest
"""
_KEPT_KEYS = "SELECT key FROM kept_keys WHERE key IN (SELECT value FROM json_each(?))"
_KNOWN_ACCOUNT_EVENTS = """
    SELECT dedupe_key FROM account_events WHERE dedupe_key IN (SELECT value FROM json_each(?))
"""
_USERS = f"""
    SELECT {", ".join(USER_COLUMNS)} FROM users
    WHERE email_key IN (SELECT value FROM json_each(?))
"""
# sqlite3 releases the interpreter at each column of a row, and has to wait for it.
_USERS_AS_JSON = f"""
    SELECT json_array({", ".join(USER_COLUMNS)}) FROM users
    WHERE email_key IN (SELECT value FROM json_each(?))
"""
_SHADOW_USERS = f"""
    SELECT {AS_USER} FROM shadow_users WHERE email_key IN (SELECT value FROM json_each(?))
"""
_KEEP_SHADOW = f"""
    INSERT OR REPLACE INTO shadow_users ({", ".join(SHADOW_COLUMNS)})
    VALUES ({", ".join("?" * len(SHADOW_COLUMNS))})
"""
_ON_RECORD = f"""
    SELECT {RECORDED_COLUMNS} FROM events_by_recipient WHERE recipient = ? ORDER BY id
"""
_BEGIN_EMPTY = """
    INSERT INTO imported_users (email_key, after_event)
    SELECT recipient, max(id) FROM events_by_recipient WHERE recipient = ? GROUP BY recipient
"""
_FORGET_FIRST_RECORD = "DELETE FROM imported_users WHERE email_key = ?"
_PAST = f"""
    SELECT recipient, {", ".join(PAST_COLUMNS)} FROM (
        SELECT *, row_number() OVER (PARTITION BY recipient ORDER BY occurred_at DESC, id DESC)
            AS place
        FROM events_by_recipient
        WHERE recipient IN (SELECT value FROM json_each(?)) AND {PAST_KINDS}
    )
    WHERE place <= {MOST_PAST}
"""
_CHANGE_USER = f"""
    UPDATE users SET {", ".join(f"{name} = ?" for name in FEEDBACK_COLUMNS)} WHERE email_key = ?
"""

_COUNT = "INSERT INTO new_counts (counts) VALUES (?)"
_DELIVERED = """
    UPDATE users SET last_delivery = :at
    WHERE email_key = :key AND (last_delivery IS NULL OR last_delivery < :at)
"""

ROWS = 10
"""Rows per INSERT. For each statement sqlite3 releases the interpreter and has to wait for it."""


def _insert(table: str, columns: Sequence[str], rows: int = 1) -> str:
    places = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([places] * rows)}"


class _Insert:
    """Inserts any number of rows, whose times are texts, into a table."""

    def __init__(self, table: str, columns: Sequence[str]) -> None:
        self._insert_row = _insert(table, columns)
        self._insert_rows = _insert(table, columns, ROWS)

    def __call__(self, connection: sqlite3.Connection, rows: Sequence[Sequence[Any]]) -> None:
        whole = len(rows) - len(rows) % ROWS
        for start in range(0, whole, ROWS):
            values = chain.from_iterable(rows[start : start + ROWS])
            connection.execute(self._insert_rows, list(values))
        connection.executemany(self._insert_row, rows[whole:])


# sqlite3 looks for an adapter for these types. Without an adapter it looks for two methods, which
# takes longer than binding the value.
sqlite3.register_adapter(bool, int)
sqlite3.register_adapter(type(None), lambda none: none)

_add_users = _Insert("users", USER_COLUMNS)
_add_events = _Insert("events", EVENT_COLUMNS)
_add_account_events = _Insert("account_events", ACCOUNT_EVENT_COLUMNS)
_insert_entries = _Insert("outbox", OUTBOX_COLUMNS)
_DUE_AT = OUTBOX_COLUMNS.index("due_at")
_FORGIVE = _insert("events", FORGIVENESS_COLUMNS) + " ON CONFLICT DO NOTHING"
_QUARANTINE = _insert("quarantine", QUARANTINE_COLUMNS) + " ON CONFLICT DO NOTHING"


class SqliteTransaction:
    """Implements `worker.core.ports.Transaction`."""

    locked: Collection[str] = ()
    """Always empty: SQLite locks the whole file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.key_id = ""

    def shadow_users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Return the records that a second policy has made of users, by key."""
        rows = self._connection.execute(_SHADOW_USERS, (_json(list(email_keys)),))
        users = (read_user(row, time=parse_time) for row in rows)
        return {user.email_key: user for user in users}

    def on_record(self, email_keys: Collection[str]) -> Iterable[Recorded]:
        """Return the events of these addresses, those of each in the order of ids."""
        for key in email_keys:
            yield from map(read_recorded, self._connection.execute(_ON_RECORD, (key,)))

    def known_keys(self, feedback: Sequence[Feedback]) -> set[str]:
        """Return which dedupe keys and route keys of the feedback are stored already."""
        dedupe_keys = _json([item.dedupe_key for item in feedback])
        route_keys = _json([item.route_key for item in feedback])
        found = {key for (key,) in self._connection.execute(_KNOWN_KEYS, (dedupe_keys, route_keys))}
        if not found:  # nearly always, unless something was purged, or somebody forgotten
            return found
        self.key_id = take_key_id(found)
        return with_kept(found, feedback, self._kept_keys)

    def _kept_keys(self, keys: Sequence[str]) -> set[str]:
        return {key for (key,) in self._connection.execute(_KEPT_KEYS, (_json(keys),))}

    def forgotten(self, digests: Collection[bytes]) -> Iterable[Tombstone]:
        """Return the tombstones with these digests."""
        for digest in digests:
            yield from map(read_tombstone, self._connection.execute(_TOMBSTONE, (digest,)))

    def known_account_events(self, events: Sequence[AccountEvent]) -> set[str]:
        """Return which dedupe keys of account events are stored already."""
        keys = _json([event.dedupe_key for event in events])
        return {key for (key,) in self._connection.execute(_KNOWN_ACCOUNT_EVENTS, (keys,))}

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Read the users among these keys. BEGIN IMMEDIATE has locked the file."""
        keys = (_json(list(email_keys)),)
        rows: Iterable[Sequence[Any]]
        try:
            found = self._connection.execute(_USERS_AS_JSON, keys)
            rows = [msgspec.json.decode(row) for (row,) in found]
        except (sqlite3.OperationalError, msgspec.DecodeError):
            # An application wrote a value that JSON cannot hold, such as a BLOB.
            rows = self._connection.execute(_USERS, keys)
        users = (read_user(row, time=parse_time) for row in rows)
        return {user.email_key: user for user in users}

    def past(self, keys: Collection[str]) -> dict[str, list[OnRecord]]:
        """Return the newest events of these addresses, `MOST_PAST` of each at most."""
        found: dict[str, list[OnRecord]] = {}
        for key, *row in self._connection.execute(_PAST, (_json(list(keys)),)):
            found.setdefault(key, []).append(on_record(row, parse_time))
        return found

    def save(self, unit: UnitOfWork) -> None:
        """Write the events, the changed users and the outbox entries of a unit of work."""
        if unit.created:
            keys = [(key,) for key in unit.created]
            self._connection.executemany(_FORGET_FIRST_RECORD, keys)
            if unit.begins_empty:
                self._connection.executemany(_BEGIN_EMPTY, keys)
            _add_users(self._connection, [_plain(user_row(user)) for user in unit.created.values()])
        changes = map(_plain, map(feedback_row, unit.changed.values()))
        self._connection.executemany(_CHANGE_USER, changes)
        _add_events(
            self._connection, [event_row(decision, time_text) for decision in unit.decisions]
        )
        if unit.memory.forgivenesses:
            forgivenesses = (forgiveness_row(each, time_text) for each in unit.memory.forgivenesses)
            self._connection.executemany(_FORGIVE, forgivenesses)
        if unit.account_events:
            rows = [_plain(account_event_row(new)) for new in unit.account_events]
            _add_account_events(self._connection, rows)
        if unit.deliveries:
            delivered = ({"at": time_text(at), "key": key} for key, at in unit.deliveries.items())
            self._connection.executemany(_DELIVERED, delivered)
        if unit.tombstones:
            strengthened = (
                {
                    "blocked": stone.blocked,
                    "until": stone.paused_until and time_text(stone.paused_until),
                    "digest": stone.digest,
                }
                for stone in unit.tombstones.values()
            )
            self._connection.executemany(_STRENGTHEN, strengthened)
        for written in encode_rows(unit.facts):
            self._connection.execute(_COUNT, (written,))
        if unit.shadowed:
            records = map(_plain, map(shadow_row, unit.shadowed.values()))
            self._connection.executemany(_KEEP_SHADOW, records)
        self.enqueue(unit.entries)

    def enqueue(self, effects: Sequence[OutboxEntry]) -> None:
        """Add effects to the outbox."""
        if effects:
            now = clock.wall()
            _insert_entries(
                self._connection,
                [_plain(_due_at_once(outbox_row(entry), now)) for entry in effects],
            )

    def policy(self) -> dict[str, str]:
        """Read the policy in force; BEGIN IMMEDIATE has locked the file."""
        return dict(self._connection.execute("SELECT name, value FROM policy").fetchall())

    def keep_policy(self, values: Mapping[str, str]) -> None:
        """Replace the policy in force."""
        self._connection.execute("DELETE FROM policy")
        self._connection.executemany("INSERT INTO policy VALUES (?, ?)", values.items())

    @property
    def figures(self) -> SqliteFigures:
        """The statements that add up figures."""
        return SqliteFigures(self._connection)

    def touch(self) -> None:
        """Write what changes nothing, so that the commit writes to the disk."""
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        self._connection.execute(f"PRAGMA user_version = {version:d}")

    def quarantine(self, queue: str, received: Received, why: DeadLetter) -> None:
        """Store a complete message in the quarantine; a repeated call changes nothing."""
        row = quarantine_row(queue, received, why)
        self._connection.execute(_QUARANTINE, _plain(row))


def _due_at_once(row: tuple[Any, ...], now: datetime) -> tuple[Any, ...]:
    """Let the row be due now at the latest: its time may be SQS's, and claims use our clock."""
    return row if row[_DUE_AT] <= now else (*row[:_DUE_AT], now, *row[_DUE_AT + 1 :])


def _plain(values: Iterable[object]) -> list[object]:
    # isinstance takes five times as long where the answer is no, as for nearly all values.
    return [time_text(value) if type(value) is datetime else value for value in values]


def _json(keys: Sequence[str]) -> str:
    return msgspec.json.encode(keys).decode()
