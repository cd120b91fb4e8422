"""Lifts pauses and blocks, and keeps who did it and why as events."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, insert, select, text, update

from worker.core.model import REINSTATEMENT, Action, UserMatch
from worker.core.parsing import as_time
from worker.core.policy import Policy
from worker.store import Store
from worker.store.levels import moment
from worker.store.on_record import fold_new
from worker.store.schema import events, users
from worker.timing.retries import when_raced

_BARRED = text("SELECT email_key, reason, until FROM do_not_mail WHERE email_key = :key")
_LIFTED = {"auto_block_spam": False, "paused_until": None, "pause_reason": None}


class Reinstatement(Struct, frozen=True, kw_only=True):
    """What was lifted of an address."""

    key: str
    reason: str | None = None
    """Why it was barred, as in `do_not_mail`; None: it was not, and nothing was changed."""
    until: datetime | None = None
    was_user: bool = True


class Lifting(Struct, frozen=True, kw_only=True):
    """Who lifts pauses and blocks, and why."""

    who: str
    """The system user."""
    why: str
    dry_run: bool = False
    policy: Policy = Policy()
    """What makes the record of an address that becomes a user, of the events on record."""


@when_raced.wraps
def reinstate(store: Store, keys: Sequence[str], lifting: Lifting) -> list[Reinstatement]:
    """Lift pause and block of these normalised addresses, in one transaction.

    An address that is no user becomes a user, with the record that follows from its events on
    record: events of strangers cannot be lifted. Counts and dates stay. An event from before now,
    by the database's clock, that arrives later bars nobody.

    Raises:
        Unavailable: the store cannot be written now; nothing was changed.
        Raced: other sessions write the same rows again and again; likewise.

    """
    with store.writing() as connection:
        now = moment(connection)
        return [_reinstate(connection, key, lifting, now) for key in sorted(set(keys))]


def _reinstate(connection: Connection, key: str, lifting: Lifting, now: datetime) -> Reinstatement:
    locked = select(users.c.email_key).where(users.c.email_key == key).with_for_update()
    was_user = connection.execute(locked).first() is not None
    barred = connection.execute(_BARRED, {"key": key}).mappings().first()
    if barred is None:
        return Reinstatement(key=key, was_user=was_user)
    if not lifting.dry_run:
        if not was_user:
            connection.execute(insert(users).values(email=key, email_key=key))
            fold_new(connection, [key], lifting.policy)
        lifted = {**_LIFTED, "reinstated_at": now}
        connection.execute(update(users).where(users.c.email_key == key).values(**lifted))
        connection.execute(insert(events).values(**_event(key, lifting, now)))
    return Reinstatement(
        key=key, reason=barred["reason"], until=as_time(barred["until"]), was_user=was_user
    )


def _event(key: str, lifting: Lifting, now: datetime) -> Mapping[str, Any]:
    name = f"{REINSTATEMENT}:{uuid.uuid4()}"
    return {
        "dedupe_key": name,
        "route_key": name,
        "kind": REINSTATEMENT,
        "type": lifting.who,
        "recipient": key,
        "recipient_as_reported": key,
        "user_match": UserMatch.FOUND.value,
        "action": Action.NO_ACTION.value,
        "reason": "reinstated",
        "occurred_at": now,
        "received_at": now,
        "feedback_id": "",
        "ses_message_id": "",
        "diagnostic": lifting.why,
        "status": "",
    }
