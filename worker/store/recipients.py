"""Finds the events of an address."""

from typing import Any

from sqlalchemy import Select, column, select, table

from worker.store.schema import events

_BY_RECIPIENT = table("events_by_recipient", column("id"), column("recipient"))
"""The view; without it SQLite would use no index."""


def newest_events(recipient: str, most: int) -> Select[Any]:
    """Select the newest events of a normalised address, at most `most`, oldest first."""
    newest = (
        select(_BY_RECIPIENT.c.id)
        .where(_BY_RECIPIENT.c.recipient == recipient)
        .order_by(_BY_RECIPIENT.c.id.desc())
        .limit(most)
    )
    return select(events).where(events.c.id.in_(newest)).order_by(events.c.id)
