"""Lifts pauses and blocks, and keeps who did it and why as events."""

import shlex
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Select, insert, or_, select, text, update

from worker.core.address import parse_address
from worker.core.effects import ASKED_REMOVALS
from worker.core.errors import Refused
from worker.core.model import OFF_LIST, REINSTATEMENT, Action, Address, UserMatch
from worker.core.outbox.others import entry_for_requested_removal
from worker.core.parsing import as_time
from worker.core.payloads import Removal
from worker.core.policy import Policy
from worker.core.tombstones import REASON, Tombstone
from worker.store import Store
from worker.store.forgetting import lift, see_tombstones, tombstones_of
from worker.store.levels import moment
from worker.store.on_record import fold_new, keep_workers_out
from worker.store.parking import NOT_PARKED
from worker.store.recipients import newest_events
from worker.store.rows import OUTBOX_COLUMNS, outbox_row
from worker.store.schema import OPEN, PARKED, events, outbox, shadow_users, users
from worker.timing.retries import when_raced

_BARRED = text("SELECT email_key, reason, until FROM do_not_mail WHERE email_key = :key")
_LIFTED = {"auto_block_spam": False, "paused_until": None, "pause_reason": None}
_EVENTS_LOOKED_THROUGH = 20
"""Events of an address that are looked through for its spellings: SES lists what it mailed."""
_MOST_SPELLINGS = 5


class Reinstatement(Struct, frozen=True, kw_only=True):
    """What was lifted of an address."""

    key: str
    reason: str | None = None
    """Why it was barred, as in `do_not_mail`; None: it was not, and nothing was changed."""
    until: datetime | None = None
    was_user: bool = True
    was_forgotten: bool = False
    """It is no user, and does not become a user: what was kept is lifted."""
    removal: int | None = None
    """Outbox id of its removal from SES's suppression list, if requested."""


class Lifting(Struct, frozen=True, kw_only=True):
    """Who lifts pauses and blocks, and why."""

    who: str
    """The system user."""
    why: str
    dry_run: bool = False
    policy: Policy = Policy()
    """What makes the record of an address that becomes a user, of the events on record."""
    off_list: str | None = None
    """Also take the address off SES's suppression list, of this tenant; empty: off the account's.
    """


@when_raced.wraps
def reinstate(store: Store, addresses: Sequence[Address], lifting: Lifting) -> list[Reinstatement]:
    """Lift pause and block of these addresses, in one transaction.

    An address that is no user becomes a user, with the record that follows from its events on
    record: events alone cannot be lifted. Counts and dates stay. An event from before now,
    by the database's clock, that arrives later bars nobody.

    If they are to leave SES's suppression list too, a removal is enqueued in the same transaction,
    also for an address that is neither paused nor blocked.

    Raises:
        Misconfigured: people were forgotten, and `privacy.key` is not set, or another.
        Refused: somebody who was forgotten is to leave SES's list; nothing was changed.
        Unavailable: the store cannot be written now; nothing was changed.
        Raced: other sessions write the same rows again and again; likewise.

    """
    by_key = {address.key: address for address in addresses}
    with store.write_transaction() as connection:
        if not lifting.dry_run:
            keep_workers_out(connection, sorted(by_key))
            see_tombstones(connection)
        now = moment(connection)
        stones = tombstones_of(connection, sorted(by_key), lifting.policy.privacy_key)
        return [
            _reinstate(connection, by_key[key], lifting, now, stones.get(key))
            for key in sorted(by_key)
        ]


def _reinstate(
    connection: Connection,
    address: Address,
    lifting: Lifting,
    now: datetime,
    stone: Tombstone | None,
) -> Reinstatement:
    key = address.key
    locked = select(users.c.email).where(users.c.email_key == key).with_for_update()
    email = connection.execute(locked).scalar()
    if stone and not lifting.dry_run:
        lift(connection, stone, now)
    found = connection.execute(_BARRED, {"key": key}).mappings().first()
    barred = dict(found) if found else None
    if stone and email is None and barred is None:
        return _of_forgotten(address, stone, lifting, now)
    if stone and barred is None and stone.bars_at(now):  # the application has made the user anew
        barred = {"reason": REASON, "until": None if stone.blocked else stone.paused_until}
    removal = None
    if not lifting.dry_run and (barred is not None or lifting.off_list is not None):
        name = f"{REINSTATEMENT}:{uuid.uuid4()}"
        if barred is not None and email is None:
            connection.execute(insert(users).values(email=key, email_key=key))
            fold_new(connection, [key], lifting.policy)
        lifted = {**_LIFTED, "reinstated_at": now}
        for table in (users, shadow_users):
            connection.execute(update(table).where(table.c.email_key == key).values(**lifted))
        match = UserMatch.MISSING if barred is None and email is None else UserMatch.FOUND
        connection.execute(insert(events).values(**_event(name, key, match, lifting, now)))
        if lifting.off_list is not None:
            removal = _enqueue_removal(
                connection, address, email or "", lifting, name=name, now=now
            )
    return Reinstatement(
        key=key,
        reason=barred["reason"] if barred else None,
        until=as_time(barred["until"]) if barred else None,
        was_user=email is not None,
        removal=removal,
    )


def _of_forgotten(
    address: Address, stone: Tombstone, lifting: Lifting, now: datetime
) -> Reinstatement:
    """Return what was lifted of somebody who was forgotten: nothing is written about the address.

    Raises:
        Refused: it is to leave SES's list, which would be kept.

    """
    if lifting.off_list is not None:
        raise Refused(
            f"{address.key} was forgotten: a removal from SES's suppression list would keep the "
            "address again. Nothing was changed; take it off by hand: aws sesv2 "
            f"delete-suppressed-destination --email-address {shlex.quote(address.mailed)}"
        )
    bars = stone.bars_at(now)
    return Reinstatement(
        key=address.key,
        reason=REASON if bars else None,
        until=stone.paused_until if bars and not stone.blocked else None,
        was_forgotten=True,
    )


def _event(
    name: str, key: str, match: UserMatch, lifting: Lifting, now: datetime
) -> Mapping[str, Any]:
    listed = lifting.off_list
    return {
        "dedupe_key": name,
        "route_key": name,
        "kind": REINSTATEMENT,
        "type": lifting.who,
        "subtype": None if listed is None else OFF_LIST,
        "recipient": key,
        "recipient_as_reported": key,
        "user_match": match.value,
        "action": Action.NO_ACTION.value,
        "reason": "reinstated",
        "occurred_at": now,
        "received_at": now,
        "feedback_id": "" if listed is None else name,
        "ses_message_id": "",
        "diagnostic": lifting.why,
        "status": "",
        "tenant": listed or "",
    }


def _enqueue_removal(
    connection: Connection,
    address: Address,
    email: str,
    lifting: Lifting,
    *,
    name: str,
    now: datetime,
) -> int:
    """Enqueue a removal, or renew an earlier removal that is not done; return its id."""
    tenant = lifting.off_list or ""
    removal = Removal(
        reported=email,
        mailed=address.mailed,
        key=address.key,
        type=REINSTATEMENT,
        subtype=None,
        occurred_at=now,
        tenant=tenant,
        also=_spellings(connection, address.key),
        asked_by=lifting.who,
        why=lifting.why,
    )
    entry = entry_for_requested_removal(address, removal, name=name, created_at=now)
    row = dict(zip(OUTBOX_COLUMNS, outbox_row(entry), strict=True))
    for known in connection.execute(_requested_before(address.key)).mappings():
        if msgspec.json.decode(known["payload"], type=Removal).tenant != tenant:
            continue
        if known["state"] != "claimed":  # else it is being delivered now
            again = {**row, **NOT_PARKED, "attempts": 0, "finished_at": None, "last_error": None}
            connection.execute(update(outbox).where(outbox.c.id == known["id"]).values(**again))
        return int(known["id"])
    created = connection.execute(insert(outbox).values(**row)).inserted_primary_key
    return int(created[0]) if created else 0


def _requested_before(key: str) -> Select[Any]:
    """Select the removals of an address that were requested and are not done."""
    of_address = (outbox.c.lane == ASKED_REMOVALS) & (outbox.c.recipient == key)
    query = select(outbox.c.id, outbox.c.state, outbox.c.payload).where(of_address)
    return query.where(or_(OPEN, PARKED)).order_by(outbox.c.id).with_for_update()


def _spellings(connection: Connection, key: str) -> tuple[str, ...]:
    """Return how SES has spelled the address lately, the last spelling first."""
    newest = connection.execute(newest_events(key, _EVENTS_LOOKED_THROUGH)).mappings().all()
    parsed = (parse_address(event["recipient_as_reported"]) for event in reversed(newest))
    spellings = dict.fromkeys(address.mailed for address in parsed if address)
    return tuple(spellings)[:_MOST_SPELLINGS]
