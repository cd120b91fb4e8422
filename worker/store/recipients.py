"""Finding the events of one address."""

from typing import Any

from sqlalchemy import Dialect, Select, select, text

from worker.store.schema import events

# A seek in the index `events_bucket` for each bucket. The number is a literal, for SQLite knows an
# expression of an index by its text, and the CROSS JOIN forbids it to begin with `events`
# (https://sqlite.org/expridx.html, https://sqlite.org/optoverview.html#crossjoin).
_IN_BUCKETS = text("""
    WITH RECURSIVE buckets (bucket) AS (
        SELECT max(id) / 2048 FROM events
        UNION ALL
        SELECT bucket - 1 FROM buckets WHERE bucket > (SELECT min(id) / 2048 FROM events)
    )
    SELECT id FROM buckets CROSS JOIN events WHERE id / 2048 = bucket AND recipient = :recipient
    ORDER BY id DESC LIMIT :most
""").columns(events.c.id)


def newest_events(dialect: Dialect, recipient: str, most: int) -> Select[Any]:
    """Ask for the newest events of the normalised address, at most so many, oldest first."""
    if dialect.name == "sqlite":
        ids = _IN_BUCKETS.bindparams(recipient=recipient, most=most)
        chosen = events.c.id.in_(ids)
    else:
        newest = select(events.c.id).where(events.c.recipient == recipient)
        chosen = events.c.id.in_(newest.order_by(events.c.id.desc()).limit(most))
    return select(events).where(chosen).order_by(events.c.id)
