"""Reads events on record for a fold: of some addresses, or of all in the order of addresses."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, TextClause, bindparam, func, select, text
from sqlalchemy.dialects import postgresql

from worker.core.folding import FirstRecord, Recorded
from worker.core.model import User
from worker.store.rows import (
    FEEDBACK_COLUMNS,
    RECORDED_COLUMNS,
    USER_COLUMNS,
    read_recorded,
    read_user,
)
from worker.store.schema import Moment, events, imported_users, users

KEYS_IN_A_STATEMENT = 500
FEW = 500
"""So many addresses at most are looked up one by one. In SQLite a look-up takes as long as reading
a thousandth of the events, or more."""
ROWS_IN_A_FETCH = 2_000

_OF_A_RECIPIENT = (
    f"SELECT {RECORDED_COLUMNS} FROM events_by_recipient WHERE recipient = :key ORDER BY id"
)
_OF_MANY = f"""
    SELECT {RECORDED_COLUMNS} FROM events WHERE recipient IN (SELECT value FROM json_each(:keys))
    ORDER BY recipient, id
"""
_OF_THESE = (
    f"SELECT {RECORDED_COLUMNS} FROM events WHERE recipient = ANY(:keys) ORDER BY recipient, id"
)
_NEAR = {
    "sqlite": "SELECT value FROM json_each(:keys)",
    "postgresql": "SELECT value FROM json_array_elements_text(CAST(:keys AS json))",
}
"""Addresses, as JSON."""
# Joined with nothing, so that the ids are looked up, and not all events of the address.
_BETWEEN = """
    SELECT {columns} FROM events WHERE id > :after AND id <= :last AND recipient || '' IN ({keys})
"""
_FAR = """
    SELECT {columns} FROM events JOIN (
        SELECT value ->> 0 AS key, CAST(value ->> 1 AS bigint) AS after,
            CAST(value ->> 2 AS bigint) AS last
        FROM json_array_elements(CAST(:these AS json))
    ) AS spans ON recipient = key AND id + 0 > after AND id + 0 <= last
"""
NEAR = 4_000
"""So many ids are looked through rather than all events of an address."""
_WITH_IDS = f"SELECT {RECORDED_COLUMNS} FROM events WHERE id IN :ids ORDER BY id"
_OF_ALL = f"SELECT {RECORDED_COLUMNS} FROM events WHERE recipient <> ''"
_SINCE = """
    AND recipient IN (SELECT recipient FROM events WHERE occurred_at >= :since)
"""
_IN_ORDER = " ORDER BY recipient, id"
_HOW_MANY = "SELECT count(*) FROM events WHERE recipient <> ''"


def all_events(connection: Connection, since: datetime | None = None) -> Iterator[Recorded]:
    """Stream all events with an address, in the order of addresses, then of ids.

    `since`: only those of addresses with an event that occurred since then.
    """
    query, values = _selected(_OF_ALL, since)
    rows = connection.execute(
        text(f"{query}{_IN_ORDER}").bindparams(*values),
        execution_options={"yield_per": ROWS_IN_A_FETCH},
    )
    for partition in rows.partitions():
        yield from map(read_recorded, partition)


def count_events(connection: Connection, since: datetime | None = None) -> int:
    """Count the events that `all_events` streams."""
    query, values = _selected(_HOW_MANY, since)
    return int(connection.execute(text(query).bindparams(*values)).scalar_one())


def _selected(query: str, since: datetime | None) -> tuple[str, list[Any]]:
    if since is None:
        return query, []
    return f"{query}{_SINCE}", [bindparam("since", since, type_=Moment())]


def newest_event(connection: Connection) -> int:
    """Return the id of the newest event; 0 if there is none."""
    return int(connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one())


def events_of(
    connection: Connection, keys: Sequence[str], *, streams: bool = False
) -> Iterator[Recorded]:
    """Return the events of these addresses, those of each in the order of ids.

    `streams`: an address may have more of them than shall be in memory.
    """
    if connection.dialect.name == "postgresql":
        options = {"yield_per": ROWS_IN_A_FETCH} if streams else {}
        for some in _parts(keys):
            rows = connection.execute(_these(), {"keys": some}, execution_options=options)
            yield from map(read_recorded, rows)
    elif len(keys) <= FEW:
        for key in keys:
            yield from map(read_recorded, connection.execute(text(_OF_A_RECIPIENT), {"key": key}))
    else:
        found = connection.execute(text(_OF_MANY), {"keys": msgspec.json.encode(keys).decode()})
        yield from map(read_recorded, found)


Spans = Mapping[str, tuple[int, int]]
"""Of addresses, after which id, and up to which."""


def events_between(connection: Connection, spans: Spans) -> Iterator[Recorded]:
    """Return the events in these spans, in no order."""
    near, far = _by_distance(spans)
    for row in _near(connection, near, RECORDED_COLUMNS):
        event = read_recorded(row)
        after, last = near[event.recipient]
        if after < event.id <= last:
            yield event
    if connection.dialect.name == "postgresql":
        yield from map(read_recorded, _far(connection, far, RECORDED_COLUMNS))
        return
    for event in events_of(connection, sorted(far)):
        after, last = far[event.recipient]
        if after < event.id <= last:
            yield event


def count_between(connection: Connection, spans: Spans) -> Counter[str]:
    """Count the events in these spans, by address, in PostgreSQL."""
    near, far = _by_distance(spans)
    found = Counter[str]()
    for row in _near(connection, near, "recipient, id"):
        after, last = near[row.recipient]
        found[row.recipient] += after < row.id <= last
    for row in _far(connection, far, "recipient, count(*) AS number", "GROUP BY recipient"):
        found[row.recipient] = row.number
    return found


def _by_distance(spans: Spans) -> tuple[Spans, Spans]:
    near = {key: (after, last) for key, (after, last) in spans.items() if last - after <= NEAR}
    return near, {key: span for key, span in spans.items() if key not in near}


def _near(connection: Connection, spans: Spans, columns: str) -> Iterable[Row[Any]]:
    if not spans:
        return ()
    query = _BETWEEN.format(columns=columns, keys=_NEAR[connection.dialect.name])
    values = {
        "keys": msgspec.json.encode(sorted(spans)).decode(),
        "after": min(after for after, _ in spans.values()),
        "last": max(last for _, last in spans.values()),
    }
    return connection.execute(text(query), values)


def _far(
    connection: Connection, spans: Spans, columns: str, grouped: str = ""
) -> Iterable[Row[Any]]:
    if not spans:
        return ()
    these = [(key, after, last) for key, (after, last) in spans.items()]
    values = {"these": msgspec.json.encode(these).decode()}
    return connection.execute(text(f"{_FAR.format(columns=columns)} {grouped}"), values)


def events_with(connection: Connection, ids: Sequence[int]) -> list[Recorded]:
    """Return the events with these ids, a few hundred at most, in the order of ids."""
    query = text(_WITH_IDS).bindparams(bindparam("ids", expanding=True))
    return [read_recorded(row) for row in connection.execute(query, {"ids": list(ids)})]


def _these() -> TextClause:
    return text(_OF_THESE).bindparams(bindparam("keys", type_=postgresql.ARRAY(postgresql.TEXT)))


def records_of(connection: Connection, keys: Iterable[str], *, lock: bool) -> dict[str, User]:
    """Read the users among these addresses, and lock them, in the order in which workers do."""
    found: dict[str, User] = {}
    for some in _parts(keys):
        query = select(*(users.c[name] for name in USER_COLUMNS)).where(users.c.email_key.in_(some))
        if lock:
            query = query.order_by(users.c.email_key).with_for_update(key_share=True)
        users_read = (read_user(row, _unchanged) for row in connection.execute(query))
        found |= {user.email_key: user for user in users_read}
    return found


def first_records_of(connection: Connection, keys: Iterable[str]) -> dict[str, FirstRecord]:
    """Read the records that users had when they were imported, if not empty."""
    names = ("after_event", "email_key", *FEEDBACK_COLUMNS)
    found: dict[str, FirstRecord] = {}
    for some in _parts(keys):
        query = select(*(imported_users.c[name] for name in names))
        rows = connection.execute(query.where(imported_users.c.email_key.in_(some))).mappings()
        for row in rows:
            record = {name: row[name] for name in FEEDBACK_COLUMNS}
            key = row["email_key"]
            user = User(email=key, email_key=key, **record)
            found[key] = FirstRecord(user, row["after_event"])
    return found


def _parts(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(sorted(keys))
    while some := list(islice(remaining, KEYS_IN_A_STATEMENT)):
        yield some


def _unchanged(time: Any) -> Any:
    return time
