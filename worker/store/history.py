"""Reads everything that is stored about an address: the user, the events, what they caused."""

import json
from collections.abc import Collection, Mapping, Sequence
from operator import itemgetter
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Dialect, RowMapping, and_, select

from worker.core.address import parse_address
from worker.core.folding import FirstRecord, Recorded
from worker.core.model import User
from worker.core.privacy import PrivacyKey
from worker.core.tombstones import Tombstone
from worker.store import Store
from worker.store.answers import READ as READ_FOR_VERDICT
from worker.store.answers import Verdict, verdict_on
from worker.store.asking import AsksWithin
from worker.store.needs import to_read
from worker.store.recipients import newest_events
from worker.store.recorded import events_with, first_records_of, records_of
from worker.store.rows import USER_COLUMNS
from worker.store.schema import INDEXED, MAIL_START, outbox, removals, users
from worker.store.tombstones import forgotten_among

Row = Mapping[str, Any]
READ = {**READ_FOR_VERDICT, **to_read("events", "outbox", "removals", "imported_users")}
"""What `history_of` reads."""
MOST_EVENTS = 500
"""Events that `history_of` returns unless called with a limit."""
_EFFECT = [
    outbox.c[name]
    for name in (
        "id", "kind", "state", "attempts", "due_at", "last_error", "created_at", "finished_at",
        "result", "feedback_id", "ses_message_id", "recipient", "payload",
    )
]  # fmt: skip


class History(Struct, frozen=True, kw_only=True):
    """What is stored about an address; events by the time of occurrence, the rest by id."""

    verdict: Verdict
    user: Row | None
    events: Sequence[Row]
    effects: Sequence[Row]
    removals: Sequence[Row]
    recorded: Sequence[Recorded] = ()
    """All events on record, for a fold; empty if there are more than were requested."""
    first: FirstRecord | None = None
    """The record with which the user began, if it was imported with a record."""
    record: User | None = None
    """The user, for a fold."""
    tombstone: Tombstone | None = None
    """What is kept of a user who was forgotten before."""


def history_of(
    store: Store, key: str, limit: int = MOST_EVENTS, *, privacy_key: PrivacyKey | None = None
) -> History:
    """Read the history of a normalised address, with at most the `limit` newest events."""
    with store.read_transaction() as connection:
        named = [users.c[name] for name in USER_COLUMNS]
        user = connection.execute(select(*named).where(users.c.email_key == key)).mappings().first()
        found = connection.execute(newest_events(key, limit)).mappings().all()
        mails = {name for event in found if (name := _name_in_outbox(event))}
        of_mails = _of_mails(connection.dialect, mails)
        caused = select(*_EFFECT).where(of_mails, outbox.c.recipient.in_(("", key)))
        effects = connection.execute(caused.order_by(outbox.c.id)).mappings().all()
        feedback_ids = {event["feedback_id"] for event in found}
        taken_off = select(removals).where(removals.c.email_key == key).order_by(removals.c.id)
        kept = connection.execute(taken_off).mappings().all()
        # By their ids: in SQLite to look for them again would take as long as the first time.
        ids = [event["id"] for event in found] if len(found) < limit else []
        recorded = events_with(connection, ids)
        first = first_records_of(connection, [key]).get(key)
        record = records_of(connection, [key], lock=False).get(key)
        asks = AsksWithin(connection)
        verdict = verdict_on(asks, key, privacy_key, has_events=bool(found))
        stones = forgotten_among(asks, [key], privacy_key) if record else {}
    return History(
        verdict=verdict,
        user=dict(user) if user else None,
        events=sorted(map(dict, found), key=itemgetter("occurred_at", "id")),
        effects=[
            dict(row) for row in effects if row["feedback_id"] in feedback_ids and _names(row, key)
        ],
        removals=[{**row, "entry": json.loads(row["entry"])} for row in kept],
        recorded=recorded,
        first=first,
        record=record,
        tombstone=stones.get(key),
    )


def _name_in_outbox(event: RowMapping) -> str:
    """Return by what the outbox names the cause of an effect: a mail, or a reinstatement."""
    return str(event["ses_message_id"] or event["feedback_id"])


def _of_mails(dialect: Dialect, mails: Collection[str]) -> ColumnElement[bool]:
    """Select the effects of these mails by an expression for which the database has an index."""
    of_mails = outbox.c.ses_message_id.in_(mails)
    if dialect.name == "sqlite":
        return of_mails
    return and_(MAIL_START.in_({mail[:INDEXED] for mail in mails}), of_mails)


def _names(effect: RowMapping, key: str) -> bool:
    """Return whether an effect is about the address; a notice may be about others alone."""
    if effect["recipient"]:
        return True
    reported = json.loads(effect["payload"]).get("recipients", ())
    addresses = (parse_address(recipient.get("reported", "")) for recipient in reported)
    return any(address is not None and address.key == key for address in addresses)
