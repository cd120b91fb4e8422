"""Reads events on record for a fold: of some addresses, or of all in the order of addresses."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, TextClause, bindparam, func, select, text
from sqlalchemy.dialects import postgresql

from worker.core.folding import FirstRecord, Recorded
from worker.core.model import User
from worker.core.parsing import as_time
from worker.store.rows import FEEDBACK_COLUMNS, USER_COLUMNS, read_user
from worker.store.schema import Moment, events, imported_users, users

KEYS_IN_A_STATEMENT = 500
FEW = 500
"""So many addresses at most are looked up one by one. In SQLite a look-up takes as long as reading
a thousandth of the events, or more."""
ROWS_IN_A_FETCH = 2_000
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""Of a time that somebody has made unreadable: SQLite keeps any text."""

_COLUMNS = """
    id, recipient, kind, type, subtype, user_match, action, status, fault,
    coalesce(mentions_spam, lower(diagnostic) LIKE '%spam%'), occurred_at, received_at
"""
_OF_ONE = f"SELECT {_COLUMNS} FROM events_by_recipient WHERE recipient = :key ORDER BY id"
_OF_MANY = f"""
    SELECT {_COLUMNS} FROM events WHERE recipient IN (SELECT value FROM json_each(:keys))
    ORDER BY recipient, id
"""
_OF_THESE = f"SELECT {_COLUMNS} FROM events WHERE recipient = ANY(:keys) ORDER BY recipient, id"
_OF_ALL = f"SELECT {_COLUMNS} FROM events WHERE recipient <> ''"
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
        yield from map(_recorded, partition)


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


def events_of(connection: Connection, keys: Sequence[str]) -> Iterator[Recorded]:
    """Return the events of these addresses, those of each in the order of ids."""
    if connection.dialect.name == "postgresql":
        for some in _parts(keys):
            yield from map(_recorded, connection.execute(_these(), {"keys": some}))
    elif len(keys) <= FEW:
        for key in keys:
            yield from map(_recorded, connection.execute(text(_OF_ONE), {"key": key}))
    else:
        found = connection.execute(text(_OF_MANY), {"keys": msgspec.json.encode(keys).decode()})
        yield from map(_recorded, found)


def _these() -> TextClause:
    return text(_OF_THESE).bindparams(bindparam("keys", type_=postgresql.ARRAY(postgresql.TEXT)))


def records_of(connection: Connection, keys: Iterable[str], *, lock: bool) -> dict[str, User]:
    """Read the users among these addresses, and lock them, in the order in which workers do."""
    found: dict[str, User] = {}
    for some in _parts(keys):
        columns = (*(users.c[name] for name in USER_COLUMNS), users.c.last_delivery.label("last"))
        query = select(*columns).where(users.c.email_key.in_(some))
        if lock:
            query = query.order_by(users.c.email_key).with_for_update(key_share=True)
        for *row, last_delivery in connection.execute(query):
            user = replace(read_user(row, _unchanged), last_delivery=last_delivery)
            found[user.email_key] = user
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


def _recorded(row: Sequence[Any]) -> Recorded:
    (
        id_, recipient, kind, type_, subtype, user_match, action, status, fault, mentions_spam,
        occurred_at, received_at,
    ) = row  # fmt: skip
    occurred, received = as_time(occurred_at), as_time(received_at)
    return Recorded(
        id=id_,
        recipient=recipient,
        kind=kind,
        type=type_,
        subtype=subtype,
        user_match=user_match,
        action=action,
        status=status,
        fault=fault,
        mentions_spam=bool(mentions_spam),
        occurred_at=occurred or received or _LONG_AGO,
        received_at=received or _LONG_AGO,
    )


def _parts(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(sorted(keys))
    while some := list(islice(remaining, KEYS_IN_A_STATEMENT)):
        yield some


def _unchanged(time: Any) -> Any:
    return time
