"""Reads everything that the database has about one person, for an answer to a data request.

What names a person by a column is found by an index; texts that repeat the address (a diagnostic of
somebody else's bounce, a notice with several recipients) by `worker.store.mentions`.
"""

import json
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, Table, column, select, table

from worker.core.others import message_without_others, without_others
from worker.core.privacy import PrivacyKey
from worker.core.tombstones import Tombstone
from worker.store import Store
from worker.store.answers import READ as READ_FOR_VERDICT
from worker.store.answers import Verdict, verdict_on
from worker.store.mentions import (
    ACCOUNT_EVENTS,
    EVENTS,
    OUTBOX,
    Place,
    Report,
    Row,
    rows_naming,
)
from worker.store.needs import to_read
from worker.store.schema import events, imported_users, removals, shadow_users, users
from worker.store.tombstones import forgotten_among

READ = {
    **READ_FOR_VERDICT,
    **to_read(
        "events",
        "account_events",
        "outbox",
        "quarantine",
        "removals",
        "imported_users",
        "shadow_users",
    ),
}
"""What is read."""

_BY_RECIPIENT = table("events_by_recipient", column("id"), column("recipient"))


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
    account_events: list[Row]
    """What somebody has written as SES's about the account, whose texts name the person."""
    effects: list[Row]
    removals: list[Row]

    @property
    def is_nothing(self) -> bool:
        """Whether no row is about the person."""
        records = (self.user, self.imported, self.shadow, self.forgotten)
        mentions = (self.mentions, self.account_events)
        lists = (self.events, self.effects, self.removals, *mentions)
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
        mentions=list(_mentions(store, EVENTS, key, report)),
        account_events=list(_mentions(store, ACCOUNT_EVENTS, key, report)),
        effects=list(_effects(store, key, report)),
        removals=[{**row, "entry": json.loads(row["entry"])} for row in kept],
    )


def _row(connection: Connection, found: Table, key: str) -> Row | None:
    row = connection.execute(select(found).where(found.c.email_key == key)).mappings().first()
    return dict(row) if row else None


def _without_digest(stone: Tombstone | None) -> Row | None:
    return {k: value for k, value in asdict(stone).items() if k != "digest"} if stone else None


def _mentions(store: Store, place: Place, key: str, report: Report) -> Iterator[Row]:
    """Yield the rows about others, or about nobody, whose texts name the person."""
    for rows in rows_naming(store, place, [key], report):
        for row in rows:
            if row.get("recipient") != key:
                yield _without_others(row, key)


def _effects(store: Store, key: str, report: Report) -> Iterator[Row]:
    """Yield the effects that name the person."""
    for rows in rows_naming(store, OUTBOX, [key], report):
        for row in rows:
            shown = {name: _masked(value, key) for name, value in row.items()}
            payload = message_without_others(row["payload"], key)
            yield shown | {"payload": _as_object(payload), "summary": _as_object(shown["summary"])}


def _without_others(row: Row, key: str) -> Row:
    """Mask others in the texts of an event; of an event of somebody else, leave out its keys."""
    is_own = row.get("recipient") == key
    shown = {
        name: _masked(value, key)
        for name, value in row.items()
        if is_own or name not in {"dedupe_key", "route_key"}
    }
    return shown | {"tags": _as_object(shown["tags"])} if "tags" in shown else shown


def _masked(value: Any, key: str) -> Any:
    return without_others(value, key) if isinstance(value, str) else value


def _as_object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # written by somebody else
        return text
