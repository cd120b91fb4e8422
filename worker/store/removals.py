"""Keeps entries of the suppression list before they are deleted."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct
from sqlalchemy import func, insert, or_, select, update

from worker.core.payloads import Removal, RemovalOutcome
from worker.store import Store, levels
from worker.store.schema import removals

_DONE = (RemovalOutcome.REMOVED.value, RemovalOutcome.STILL_LISTED.value)


class Kept(Struct, frozen=True, kw_only=True):
    """An entry that was removed from the list, or was about to be."""

    id: int
    address: str
    entry: dict[str, Any]
    begun_at: datetime
    outcome: str | None = None
    restored_at: datetime | None = None
    tenant: str = ""
    """The tenant whose list it was on; empty: the account's."""


class RemovalLog:
    """What the remover records; each method has committed when it returns.

    Each method raises `Unavailable` if the store is unavailable.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def begun(self, effect_id: int, key: str) -> Mapping[str, Any] | None:
        """Return the entry that a former try of this effect kept before its deletion, if any."""
        # By the key, too: SQLite gives the id of a purged row to a new row.
        ours = (removals.c.outbox_id == effect_id) & (removals.c.email_key == key)
        query = select(removals.c.entry).where(ours)
        with self._store.reading() as connection:
            found = connection.execute(query).scalar_one_or_none()
        return None if found is None else json.loads(found)

    def begin(self, effect_id: int, removal: Removal, entry: Mapping[str, Any]) -> None:
        """Keep the entry before its deletion."""
        with self._store.writing() as connection:
            now = levels.moment(connection)
            row = {
                "address": entry["EmailAddress"],
                "entry": json.dumps(entry),
                "begun_at": now,
                "tenant": removal.tenant,
            }
            known = removals.c.outbox_id == effect_id
            changed = connection.execute(update(removals).where(known).values(**row))
            if not changed.rowcount:
                ids = {"outbox_id": effect_id, "email_key": removal.key}
                connection.execute(insert(removals).values(**row, **ids))

    def removals(self, removal: Removal, within: timedelta, besides: int) -> int:
        """Count the other effects that may have removed this address from the same list lately.

        `within` is measured by the database's clock, which also dated their beginning. A removal
        that was begun counts: it may have been done. An effect that is tried again, since SES was
        busy for example, has a row already: `besides` leaves it out.
        """
        others = select(func.count()).where(
            removals.c.email_key == removal.key,
            removals.c.tenant == removal.tenant,
            removals.c.outbox_id != besides,
            or_(removals.c.outcome.is_(None), removals.c.outcome.in_(_DONE)),
        )
        with self._store.reading() as connection:
            since = levels.moment(connection) - within
            return int(connection.execute(others.where(removals.c.begun_at >= since)).scalar_one())

    def finish(self, effect_id: int, outcome: RemovalOutcome) -> None:
        """Record the outcome of a deletion; other outcomes deleted nothing."""
        if outcome.value not in _DONE:
            return
        with self._store.writing() as connection:
            row = update(removals).where(removals.c.outbox_id == effect_id)
            connection.execute(row.values(outcome=outcome.value))

    def latest(self, key: str, tenant: str | None = None) -> Kept | None:
        """Return the last entry that was removed for this address.

        `tenant`: only from this tenant's list; empty: from the account's; None: from any.
        """
        names = Kept.__struct_fields__
        query = select(*(removals.c[name] for name in names)).where(removals.c.email_key == key)
        if tenant is not None:
            query = query.where(removals.c.tenant == tenant)
        with self._store.reading() as connection:
            latest = query.order_by(removals.c.id.desc()).limit(1)
            row = connection.execute(latest).mappings().first()
        return None if row is None else Kept(**{**row, "entry": json.loads(row["entry"])})

    def restored(self, kept: Kept) -> None:
        """Record that an operator has put the entry back."""
        with self._store.writing() as connection:
            now = levels.moment(connection)
            row = update(removals).where(removals.c.id == kept.id)
            connection.execute(row.values(restored_at=now))
