"""The statements of the message path, with `psycopg` alone, because every message runs them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, LiteralString

import msgspec
import psycopg

from worker.core.account_events import AccountEvent
from worker.core.counting import encode_rows
from worker.core.effects import OutboxEntry
from worker.core.errors import Unavailable
from worker.core.folding import Recorded
from worker.core.messages import DeadLetter, Received
from worker.core.model import Feedback, User
from worker.core.past import MOST_PAST, OnRecord
from worker.core.purged import with_kept
from worker.core.tombstones import Tombstone
from worker.core.unit_of_work import UnitOfWork
from worker.store.postgresql.connection import begin
from worker.store.postgresql.figures import PostgresqlFigures
from worker.store.postgresql.waiting import RowWaits
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
    USER_TIMES,
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
from worker.store.tombstone_rows import (
    KEY_ID_MARK,
    TOMBSTONE_COLUMNS,
    read_tombstone,
    take_key_id,
)

_TYPES = dict.fromkeys(
    (
        *USER_TIMES,
        "last_delivery",
        "occurred_at",
        "received_at",
        "sent_at",
        "due_at",
        "created_at",
        "claimed_at",
    ),
    "timestamptz",
) | {
    "metrics_enabled": "boolean",
    "auto_block_spam": "boolean",
    "mentions_spam": "boolean",
    "out_of_office": "boolean",
    "permanent_status": "boolean",
    "hard_bounce_refused": "boolean",
    "soft_bounce_refused": "boolean",
    "hard_bounce_count": "integer",
    "soft_bounce_count": "integer",
    "complaint_count": "integer",
}

LARGEST_STATEMENT_BYTES = 1_048_576
"""Bytes of rows per statement; a longer row has a statement of its own. The server needs four times
as much memory for a statement (measured: 460 MB for 30,000 events with long ids)."""


def _rows(columns: Sequence[str]) -> str:
    """Take any number of rows as a JSON text: one parameter, one statement, one round trip.

    An array for each column would take seven times as long.
    """
    typed = (f"{name} {_TYPES.get(name, 'text')}" for name in columns)
    return f"json_to_recordset(%s::json) AS new({', '.join(typed)})"


def _insert(table: str, columns: Sequence[str]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {_rows(columns)}"


_KNOWN_ACCOUNT_EVENTS = "SELECT dedupe_key FROM account_events WHERE dedupe_key = ANY(%s)"
_KNOWN_KEYS = f"""
    SELECT dedupe_key FROM events WHERE dedupe_key = ANY(%s)
    UNION ALL
    SELECT route_key FROM events WHERE route_key = ANY(%s)
    UNION ALL
    SELECT value FROM progress WHERE name = 'purged_until'
    UNION ALL
    (SELECT key_id || '{KEY_ID_MARK}' FROM forgotten LIMIT 1)
"""
_TOMBSTONES = f"SELECT {', '.join(TOMBSTONE_COLUMNS)} FROM forgotten WHERE digest = ANY(%s)"
_STRENGTHEN = """
    UPDATE forgotten SET blocked = blocked OR %s, paused_until = greatest(paused_until, %s)
    WHERE digest = %s
"""
_KEPT_KEYS = "SELECT key FROM kept_keys WHERE key = ANY(%s)"
_PAST = f"""
    SELECT past.* FROM unnest(%s::text[]) AS asked (key) CROSS JOIN LATERAL (
        SELECT recipient, {", ".join(PAST_COLUMNS).replace("%", "%%")} FROM events
        WHERE recipient = asked.key AND {PAST_KINDS}
        ORDER BY occurred_at DESC, id DESC LIMIT {MOST_PAST}
    ) AS past
"""
# All workers lock users, and write rows, in the same order, so they wait for each other instead of
# deadlocking.
# NO KEY: new rows with a foreign key to `users` lock the user FOR KEY SHARE, and need not wait.
_USERS = f"""
    SELECT {", ".join(USER_COLUMNS)} FROM users
    WHERE email_key = ANY(%s) ORDER BY email_key FOR NO KEY UPDATE
"""
_FREE_USERS = f"{_USERS} SKIP LOCKED"
_EXISTING_USERS = "SELECT email_key FROM users WHERE email_key = ANY(%s)"
_SHADOW_USERS = f"SELECT {AS_USER} FROM shadow_users WHERE email_key = ANY(%s)"
_KEEP_SHADOW = f"""
    {_insert("shadow_users", SHADOW_COLUMNS)} ON CONFLICT (email_key) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in FEEDBACK_COLUMNS)}
"""
_ON_RECORD = f"""
    SELECT {RECORDED_COLUMNS.replace("%", "%%")} FROM events WHERE recipient = ANY(%s)
    ORDER BY recipient, id
"""
_BEGIN_EMPTY = """
    INSERT INTO imported_users (email_key, after_event)
    SELECT recipient, max(id) FROM events WHERE recipient = ANY(%s) GROUP BY recipient
"""
_FORGET_FIRST_RECORDS = "DELETE FROM imported_users WHERE email_key = ANY(%s)"
_ADD_USERS = _insert("users", USER_COLUMNS)
_CHANGE_USERS = f"""
    UPDATE users SET {", ".join(f"{name} = new.{name}" for name in FEEDBACK_COLUMNS)}
    FROM {_rows((*FEEDBACK_COLUMNS, "email_key"))}
    WHERE users.email_key = new.email_key
"""
_ADD_EVENTS = _insert("events", EVENT_COLUMNS)
_FORGIVE = _insert("events", FORGIVENESS_COLUMNS) + " ON CONFLICT DO NOTHING"
_ADD_ACCOUNT_EVENTS = _insert("account_events", ACCOUNT_EVENT_COLUMNS)
_COUNT = "INSERT INTO new_counts (counts) VALUES (%s)"
_DELIVERED = f"""
    UPDATE users SET last_delivery = new.last_delivery
    FROM {_rows(("last_delivery", "email_key"))}
    WHERE users.email_key = new.email_key
        AND (users.last_delivery IS NULL OR users.last_delivery < new.last_delivery)
"""
# Due by the database's clock, which all workers use; ours may be ahead of it.
_INSERT_ENTRIES = _insert("outbox", OUTBOX_COLUMNS).replace(
    "SELECT kind, lane, state, due_at,", "SELECT kind, lane, state, LEAST(due_at, now()),"
)
_QUARANTINE = f"""
    INSERT INTO quarantine ({", ".join(QUARANTINE_COLUMNS)})
    VALUES ({", ".join(["%s"] * len(QUARANTINE_COLUMNS))})
    ON CONFLICT DO NOTHING
"""


class PostgresqlTransaction:
    """Implements `worker.core.ports.Transaction`."""

    def __init__(
        self, connection: psycopg.Connection[tuple[Any, ...]], waits: RowWaits | None = None
    ) -> None:
        """Without `waits` a locked row is treated like a locked table."""
        self._connection = connection
        self._waits = waits
        self._has_written = False
        self.locked: Collection[str] = ()
        self.key_id = ""

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Read and lock the users among these keys.

        Raises:
            Unavailable: another session has locked the table.

        """
        try:
            return self._read_users(_USERS, email_keys)
        except psycopg.errors.LockNotAvailable:
            if self._waits is None or self._has_written:
                raise
            self._waits.timed_out()
        return self._free_users(email_keys)

    def _free_users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Begin the transaction again, without locked users; nothing was written yet."""
        self._connection.rollback()
        begin(self._connection)
        try:
            users = self._read_users(_FREE_USERS, email_keys)
        except psycopg.errors.LockNotAvailable as error:  # locked rows were skipped
            raise Unavailable(
                "PostgreSQL: another session has locked the table users; nothing is written until "
                "it ends"
            ) from error
        missing = [key for key in email_keys if key not in users]
        self.locked = {key for (key,) in self._connection.execute(_EXISTING_USERS, (missing,))}
        return users

    def _read_users(self, query: LiteralString, email_keys: Collection[str]) -> dict[str, User]:
        rows = self._connection.execute(query, (list(email_keys),))
        users = (read_user(row, time=_unchanged) for row in rows)
        return {user.email_key: user for user in users}

    def shadow_users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Return the records that a second policy has made of users, by key.

        Who changes such a record has locked the user.
        """
        return self._read_users(_SHADOW_USERS, email_keys)

    def on_record(self, email_keys: Collection[str]) -> Iterable[Recorded]:
        """Return the events of these addresses, those of each in the order of ids."""
        return map(read_recorded, self._connection.execute(_ON_RECORD, (list(email_keys),)))

    def known_keys(self, feedback: Sequence[Feedback]) -> set[str]:
        """Return which dedupe keys and route keys of the feedback are stored already."""
        dedupe_keys = [item.dedupe_key for item in feedback]
        route_keys = [item.route_key for item in feedback]
        # A single statement: it sees an event, or that it was purged, and never neither.
        found = {key for (key,) in self._connection.execute(_KNOWN_KEYS, (dedupe_keys, route_keys))}
        if not found:  # nearly always, unless something was purged, or somebody forgotten
            return found
        self.key_id = take_key_id(found)
        return with_kept(found, feedback, self._kept_keys)

    def _kept_keys(self, keys: Sequence[str]) -> set[str]:
        return {key for (key,) in self._connection.execute(_KEPT_KEYS, (list(keys),))}

    def forgotten(self, digests: Collection[bytes]) -> Iterable[Tombstone]:
        """Return the tombstones with these digests."""
        return map(read_tombstone, self._connection.execute(_TOMBSTONES, (list(digests),)))

    def known_account_events(self, events: Sequence[AccountEvent]) -> set[str]:
        """Return which dedupe keys of account events are stored already."""
        keys = [event.dedupe_key for event in events]
        return {key for (key,) in self._connection.execute(_KNOWN_ACCOUNT_EVENTS, (keys,))}

    def past(self, keys: Collection[str]) -> dict[str, list[OnRecord]]:
        """Return the newest events of these addresses, `MOST_PAST` of each at most."""
        found: dict[str, list[OnRecord]] = {}
        for key, *row in self._connection.execute(_PAST, (list(keys),)):
            found.setdefault(key, []).append(on_record(row, _unchanged))
        return found

    def save(self, unit: UnitOfWork) -> None:
        """Write the events, the changed users and the outbox entries of a unit of work."""
        created = (user_row(unit.created[key]) for key in sorted(unit.created))
        changed = (feedback_row(user) for user in unit.changed.values())
        events = [event_row(decision, _unchanged) for decision in unit.decisions]
        if unit.created:
            keys = (list(unit.created),)
            self._connection.execute(_FORGET_FIRST_RECORDS, keys)
            if unit.begins_empty:
                self._connection.execute(_BEGIN_EMPTY, keys)
            self._write(_ADD_USERS, USER_COLUMNS, created)
        self._write(_CHANGE_USERS, (*FEEDBACK_COLUMNS, "email_key"), changed)
        self._write(_ADD_EVENTS, EVENT_COLUMNS, sorted(events, key=itemgetter(0)))
        if unit.memory.forgivenesses:
            rows = sorted(forgiveness_row(each, _unchanged) for each in unit.memory.forgivenesses)
            self._write(_FORGIVE, FORGIVENESS_COLUMNS, rows)
        if unit.account_events:
            rows = sorted(map(account_event_row, unit.account_events), key=itemgetter(0))
            self._write(_ADD_ACCOUNT_EVENTS, ACCOUNT_EVENT_COLUMNS, rows)
        if unit.deliveries:
            deliveries = ((at, key) for key, at in unit.deliveries.items())
            self._write(_DELIVERED, ("last_delivery", "email_key"), deliveries)
        for stone in sorted(unit.tombstones.values(), key=attrgetter("digest")):
            self._has_written = True
            self._connection.execute(_STRENGTHEN, (stone.blocked, stone.paused_until, stone.digest))
        for written in encode_rows(unit.facts):
            self._has_written = True
            self._connection.execute(_COUNT, (written,))
        if unit.shadowed:
            self._write(_KEEP_SHADOW, SHADOW_COLUMNS, map(shadow_row, unit.shadowed.values()))
        self.enqueue(unit.entries)

    def enqueue(self, effects: Sequence[OutboxEntry]) -> None:
        """Add effects to the outbox."""
        self._write(_INSERT_ENTRIES, OUTBOX_COLUMNS, map(outbox_row, effects))

    def _write(
        self, statement: LiteralString, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
    ) -> None:
        if named := [dict(zip(columns, row, strict=True)) for row in rows]:
            self._has_written = True
            self._write_named(statement, named)

    def _write_named(self, statement: LiteralString, named: Sequence[dict[str, Any]]) -> None:
        """Write rows in one statement, or in several if they are large."""
        encoded = msgspec.json.encode(named)
        if len(encoded) <= LARGEST_STATEMENT_BYTES or len(named) == 1:
            self._connection.execute(statement, (encoded.decode(),))
        else:
            half = len(named) // 2
            self._write_named(statement, named[:half])
            self._write_named(statement, named[half:])

    def policy(self) -> dict[str, str]:
        """Read the policy in force; until the transaction ends, nobody else changes it."""
        self._connection.execute("LOCK TABLE policy IN SHARE ROW EXCLUSIVE MODE")
        return dict(self._connection.execute("SELECT name, value FROM policy").fetchall())

    def keep_policy(self, values: Mapping[str, str]) -> None:
        """Replace the policy in force."""
        self._has_written = True
        self._connection.execute("DELETE FROM policy")
        rows = ([*values], [*values.values()])
        self._connection.execute(
            "INSERT INTO policy (name, value) SELECT * FROM unnest(%s::text[], %s::text[])", rows
        )

    @property
    def figures(self) -> PostgresqlFigures:
        """The statements that add up figures."""
        self._has_written = True
        return PostgresqlFigures(self._connection)

    def touch(self) -> None:
        """Take a transaction id, so that the commit writes to the disk."""
        self._connection.execute("SELECT txid_current()")

    def quarantine(self, queue: str, received: Received, why: DeadLetter) -> None:
        """Store a complete message in the quarantine; a repeated call changes nothing."""
        self._has_written = True
        self._connection.execute(_QUARANTINE, quarantine_row(queue, received, why))


def _unchanged(time: Any) -> Any:
    return time
