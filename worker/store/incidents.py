"""Notices about incidents: one within a time, of all processes that share the database."""

from collections.abc import Sequence
from datetime import timedelta

from msgspec.structs import replace

from worker.core.effects import OutboxEntry
from worker.core.rate_limit import RateLimit
from worker.store import Store, levels
from worker.store.outbox import enqueue


def announce(
    store: Store, name: str, every: timedelta, entries: Sequence[OutboxEntry]
) -> timedelta:
    """Enqueue the entries, unless a process has done so lately; return how long to wait then.

    A time further ahead comes from a clock that was set back, and is ignored.

    Raises:
        Unavailable: the store is unavailable.

    """
    incident = RateLimit(name=name)
    with store.write_transaction() as connection:
        now = levels.moment(connection)
        level = levels.lock(connection, incident, now)
        if now < level.next_at <= now + every:
            return level.next_at - now
        levels.keep(connection, incident, replace(level, next_at=now + every))
        enqueue(connection, entries, now)
        return timedelta(0)
