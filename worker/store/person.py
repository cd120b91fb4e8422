"""Reads everything that the database has about one person, for an answer to a data request.

What names a person by a column is found by an index. Texts that repeat the address (a diagnostic of
somebody else's bounce, a notice with several recipients) have none: those rows are read a window at
a time, each in a transaction of its own, so that nothing is held up.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, Table, column, func, or_, select, table

from worker.core.others import about, names, without_others
from worker.core.privacy import PrivacyKey
from worker.core.tombstones import Tombstone
from worker.store import Store
from worker.store.answers import READ as READ_FOR_VERDICT
from worker.store.answers import Verdict, verdict_on
from worker.store.needs import to_read
from worker.store.schema import events, imported_users, outbox, removals, shadow_users, users
from worker.store.tombstones import forgotten_among

Row = Mapping[str, Any]
READ = {
    **READ_FOR_VERDICT,
    **to_read("events", "outbox", "quarantine", "removals", "imported_users", "shadow_users"),
}
"""What is read."""
WINDOW = 500
"""Rows of the outbox that are in memory at once; each may hold a message of 256 KiB."""
IDS_IN_A_WINDOW = 50_000
"""Ids of events that a query looks through."""

_BY_RECIPIENT = table("events_by_recipient", column("id"), column("recipient"))
_TEXTS = ("recipient_as_reported", "diagnostic", "sender", "tags")
"""Texts of an event that may name people besides its recipient."""
_JSON = ("payload", "summary")
Report = Callable[[int, int | None], None]


class OnRecord(Struct, frozen=True, kw_only=True):
    """Rows about a person; other people's addresses in their texts are masked."""

    verdict: Verdict
    user: Row | None
    imported: Row | None
    """The record with which the user began."""
    shadow: Row | None
    """The record by the second policy."""
    forgotten: Row | None
    """What is kept of a person who was forgotten."""
    events: list[Row]
    mentions: list[Row]
    """Events of others whose texts name the person."""
    effects: list[Row]
    removals: list[Row]

    @property
    def is_nothing(self) -> bool:
        """Whether no row is about the person."""
        records = (self.user, self.imported, self.shadow, self.forgotten)
        lists = (self.events, self.mentions, self.effects, self.removals)
        return not any(records) and not any(lists)


def on_record(store: Store, key: str, privacy_key: PrivacyKey | None, report: Report) -> OnRecord:
    """Read all rows about a normalised address; report how many rows were looked through.

    Raises:
        Misconfigured: people were forgotten, and the key is not set, or another.
        Unavailable: the database cannot be read now.

    """
    with store.read_transaction() as connection:
        user, imported, shadow = (
            _row(connection, found, key) for found in (users, imported_users, shadow_users)
        )
        own = select(_BY_RECIPIENT.c.id).where(_BY_RECIPIENT.c.recipient == key)
        query = select(events).where(events.c.id.in_(own)).order_by(events.c.occurred_at)
        found = [_without_others(dict(row), key) for row in connection.execute(query).mappings()]
        taken_off = select(removals).where(removals.c.email_key == key).order_by(removals.c.id)
        kept = [dict(row) for row in connection.execute(taken_off).mappings()]
    return OnRecord(
        verdict=verdict_on(store, key, privacy_key, has_events=bool(found)),
        forgotten=_without_digest(forgotten_among(store, [key], privacy_key).get(key)),
        user=user,
        imported=imported,
        shadow=shadow,
        events=found,
        mentions=list(_mentions(store, key, report)),
        effects=list(_effects(store, key, report)),
        removals=[{**row, "entry": json.loads(row["entry"])} for row in kept],
    )


def _row(connection: Connection, found: Table, key: str) -> Row | None:
    row = connection.execute(select(found).where(found.c.email_key == key)).mappings().first()
    return dict(row) if row else None


def _without_digest(stone: Tombstone | None) -> Row | None:
    return {k: value for k, value in asdict(stone).items() if k != "digest"} if stone else None


def _mentions(store: Store, key: str, report: Report) -> Iterator[Row]:
    """Yield the events of others whose texts name the person."""
    word = key.partition("@")[0].partition(".")[0]
    word = word if word.isascii() else ""
    has_word = or_(*(func.lower(events.c[name]).contains(word, autoescape=True) for name in _TEXTS))
    last = _last(store, events)
    for first in range(0, last, IDS_IN_A_WINDOW):
        ids = events.c.id.between(first + 1, first + IDS_IN_A_WINDOW)
        query = select(events).where(ids, events.c.recipient != key, has_word)
        with store.read_transaction() as connection:
            rows = connection.execute(query.order_by(events.c.id)).mappings().all()
        for row in rows:
            if any(names(row[name], key) for name in _TEXTS):
                yield _without_others(dict(row), key)
        report(min(first + IDS_IN_A_WINDOW, last), last)


def _effects(store: Store, key: str, report: Report) -> Iterator[Row]:
    """Yield the effects that name the person."""
    last, read_to = _last(store, outbox), 0
    while True:
        query = select(outbox).where(outbox.c.id > read_to).order_by(outbox.c.id).limit(WINDOW)
        with store.read_transaction() as connection:
            rows = connection.execute(query).mappings().all()
        if not rows:
            return
        for row in rows:
            payload = about(row["payload"], key)
            if payload is not None or row["recipient"] == key:
                kept = {**row, "payload": payload or without_others(row["payload"], key)}
                yield kept | {name: _as_object(kept[name]) for name in _JSON}
        read_to = rows[-1]["id"]
        report(min(read_to, last), last)


def _last(store: Store, found: Table) -> int:
    with store.read_transaction() as connection:
        return int(connection.execute(select(func.coalesce(func.max(found.c.id), 0))).scalar_one())


def _without_others(row: Row, key: str) -> Row:
    """Mask others in the texts of an event; of an event of somebody else, leave out its keys."""
    is_own = row["recipient"] == key
    shown = {
        name: without_others(value, key) if isinstance(value, str) else value
        for name, value in row.items()
        if is_own or name not in {"dedupe_key", "route_key"}
    }
    return shown | {"tags": _as_object(shown["tags"])}


def _as_object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # written by somebody else
        return text
