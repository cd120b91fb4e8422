"""Reads events by the time of occurrence, a window at a time.

A window is some entries of the index of times. Each has a transaction of its own, which has ended
before the rows are handed over: a slow reader of the export holds nothing in the database, and a
SQLite file's `-wal` can be emptied meanwhile.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, and_, column, or_, select, table

from worker.store import Store
from worker.store.needs import Needs, to_read
from worker.store.rows import EVENT_COLUMNS
from worker.store.schema import events
from worker.store.selecting import of_domain

EXPORTED = ("id", *EVENT_COLUMNS)
"""The columns of an export."""
WINDOW = 2_000
"""Entries of the index in a window. Their rows are in memory at once: a few megabytes."""

_COLUMNS = [events.c[name] for name in EXPORTED]
_PLACE = (events.c.occurred_at, events.c.id)
_BY_RECIPIENT = table("events_by_recipient", column("id"), column("recipient"))
_Place = tuple[datetime, int]


class EventFilter(Struct, frozen=True, kw_only=True):
    """Selects events; without conditions, all."""

    since: datetime | None = None
    until: datetime | None = None
    """Only those that occurred before."""
    recipient: str = ""
    """Only those of this normalised address."""
    domain: str = ""
    """As in `UserFilter`."""
    kinds: tuple[str, ...] = ()


def needs_of(filter_: EventFilter) -> Needs:
    """Return what `exported_events` reads."""
    return to_read("events", *(["events_by_recipient"] if filter_.recipient else []))


def exported_events(store: Store, filter_: EventFilter) -> Iterator[Mapping[str, Any]]:
    """Yield the selected events, in the order of the time of occurrence.

    Raises:
        Unavailable: the database cannot be read now.

    """
    place: _Place | None = None
    while True:
        with store.read_transaction() as connection:
            ends = connection.execute(_end(filter_, place)).first()
            end = (ends[0], ends[1]) if ends else None
            rows = connection.execute(_window(filter_, place, end)).mappings().all()
        yield from map(dict, rows)
        if end is None:
            return
        place = end


def _end(filter_: EventFilter, place: _Place | None) -> Select[Any]:
    """Select the last entry of a whole window after a place; none if there are fewer entries."""
    found = select(*_PLACE).where(*_range(filter_, place))
    return found.order_by(*_PLACE).offset(WINDOW - 1).limit(1)


def _window(filter_: EventFilter, place: _Place | None, end: _Place | None) -> Select[Any]:
    query = select(*_COLUMNS).where(*_range(filter_, place))
    if end:
        time, id_ = end
        until = or_(events.c.occurred_at < time, events.c.id <= id_)
        query = query.where(events.c.occurred_at <= time, until)
    if filter_.domain:
        query = query.where(of_domain(events.c.recipient, filter_.domain))
    if filter_.kinds:
        query = query.where(events.c.kind.in_(filter_.kinds))
    return query.order_by(*_PLACE)


def _range(filter_: EventFilter, place: _Place | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if place:
        time, id_ = place
        after = or_(events.c.occurred_at > time, events.c.id > id_)
        found.append(and_(events.c.occurred_at >= time, after))
    elif filter_.since:
        found.append(events.c.occurred_at >= filter_.since)
    if filter_.until:
        found.append(events.c.occurred_at < filter_.until)
    if filter_.recipient:
        ids = select(_BY_RECIPIENT.c.id).where(_BY_RECIPIENT.c.recipient == filter_.recipient)
        found.append(events.c.id.in_(ids))
    return found
