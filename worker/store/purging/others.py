"""Purges what is old beside the events: SES's messages, finished effects, removals, kept keys."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, func, not_, select, text, update

from worker.core.parsing import as_time
from worker.store import Store
from worker.store.purging.biting import Bite, Pace
from worker.store.purging.limits import day_of
from worker.store.purging.needed import keys_in_quarantine
from worker.store.purging.statements import delete_keys, delete_rows
from worker.store.schema import outbox, removals

FINISHED = ("delivered", "discarded")
_KEYS_AT_ONCE = 2_000
_PAGE = """
    SELECT id, created_at FROM outbox WHERE id > :after ORDER BY id LIMIT :limit
"""
_KEYS = """
    SELECT key, until_day FROM kept_keys WHERE key > :after ORDER BY key LIMIT :limit
"""
_KEEP_LESS = (
    update(outbox)
    .where(outbox.c.id == bindparam("of"), text("state IN ('delivered', 'discarded')"))
    .values(payload=bindparam("less"))
)


class OutboxPurge:
    """A sweep over the outbox, in the order of ids: messages go first, whole effects later."""

    def __init__(
        self, store: Store, *, messages: datetime | None, effects: datetime | None, after: int = 0
    ) -> None:
        self._store = store
        self._messages = messages
        self._effects = effects
        self.after = after
        """The id up to which it has come."""

    def bites(self, pace: Pace, *, dry_run: bool = False) -> Iterator[Bite]:
        """Remove, some at a time.

        Raises:
            Unavailable: the store cannot be used now; what is done stays.
            Faster: another process purges.

        """
        limits = [limit for limit in (self._messages, self._effects) if limit is not None]
        while limits:
            rows = max(5, pace.rows // 5)  # a row has SES's whole message
            with self._store.reading() as connection:
                page = connection.execute(text(_PAGE), {"after": self.after, "limit": rows}).all()
                if not page or not any(_is_before(row.created_at, max(limits)) for row in page):
                    return
                last = page[-1].id
                less, gone = self._old(connection, last)
            if (less or gone) and not dry_run:
                with pace.bite(self._store, len(less) + len(gone)) as connection:
                    if less:
                        rows_ = [{"of": id_, "less": payload} for id_, payload in less.items()]
                        connection.execute(_KEEP_LESS, rows_)
                    if gone:
                        delete_rows(connection, "outbox", gone)
            held = pace.held if less or gone else 0.0
            yield Bite(table="messages", rows=len(less), looked_at=len(page), held_seconds=held)
            yield Bite(table="outbox", rows=len(gone))
            self.after = last

    def _old(self, connection: Connection, last: int) -> tuple[Mapping[int, str], list[int]]:
        """Return what remains of the payloads of old effects, and which effects go."""
        # SQLite gives the id of the newest row, if that goes, to the next; it must not find the
        # entry of another effect in the removal log.
        is_logged = exists().where(removals.c.outbox_id == outbox.c.id).label("is_logged")
        names = (outbox.c.id, outbox.c.payload, outbox.c.finished_at, is_logged)
        query = select(*names).where(
            outbox.c.id > self.after, outbox.c.id <= last, outbox.c.state.in_(FINISHED)
        )
        less: dict[int, str] = {}
        gone: list[int] = []
        for id_, payload, finished_at, logged in connection.execute(query):
            is_old = self._effects is not None and _is_before(finished_at, self._effects)
            if is_old and not logged:
                gone.append(id_)
            elif self._messages is not None and _is_before(finished_at, self._messages):
                shorter = without_message(payload)
                if shorter is not None:
                    less[id_] = shorter
        return less, gone


def _is_before(stored: Any, limit: datetime) -> bool:
    at = as_time(stored)
    return at is not None and at < limit


def without_message(payload: str) -> str | None:
    """Return the payload of an effect without SES's message; None: it has none."""
    try:
        values = json.loads(payload)
    except ValueError:
        return None
    if not isinstance(values, dict) or "message" not in values:
        return None
    del values["message"]
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def purge_removals(
    store: Store, pace: Pace, cutoff: datetime, *, dry_run: bool = False
) -> Iterator[Bite]:
    """Remove entries of the removal log that are old, and whose effects are finished."""
    is_open = exists().where(
        outbox.c.id == removals.c.outbox_id, not_(outbox.c.state.in_(FINISHED))
    )
    is_old = and_(removals.c.begun_at < cutoff, not_(is_open))
    while True:
        query = select(removals.c.id).where(is_old).order_by(removals.c.id)
        if dry_run:
            with store.reading() as connection:
                counted = select(func.count()).select_from(removals).where(is_old)
                rows = int(connection.execute(counted).scalar_one())
            yield Bite(table="removals", rows=rows, looked_at=rows)
            return
        with store.reading() as connection:
            ids = list(connection.execute(query.limit(pace.rows)).scalars())
        if not ids:
            return
        with pace.bite(store, len(ids)) as connection:
            delete_rows(connection, "removals", ids)
        yield Bite(table="removals", rows=len(ids), looked_at=len(ids), held_seconds=pace.held)


def purge_keys(store: Store, pace: Pace, now: datetime, *, dry_run: bool = False) -> Iterator[Bite]:
    """Remove keys whose day is over, but those that a quarantined message needs."""
    today, after = day_of(now), ""
    with store.reading() as connection:
        needed = keys_in_quarantine(connection)
    while True:
        with store.reading() as connection:
            page = connection.execute(text(_KEYS), {"after": after, "limit": _KEYS_AT_ONCE}).all()
        if not page:
            return
        after = page[-1].key
        expired = [row.key for row in page if row.until_day < today and row.key not in needed]
        yield Bite(table="kept_keys", looked_at=len(page))
        if dry_run:
            yield Bite(table="kept_keys", rows=len(expired))
            continue
        while expired:
            some = expired[: pace.rows]
            with pace.bite(store, len(some)) as connection:
                delete_keys(connection, some)
            del expired[: len(some)]
            yield Bite(table="kept_keys", rows=len(some), held_seconds=pace.held)
