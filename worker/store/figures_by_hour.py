"""Reads what was counted by the hour, with the driver alone.

Sums by value come from `daily_counts` for whole days in UTC, and from `hourly_counts` for the rest.
What `new_counts` still holds is added, so that the figures of each commit are there at once. A
single statement reads the tables: while a worker adds up, nothing is missed or read twice.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from worker.core.counting import Dimension, Fact, figures_of, read_facts
from worker.core.parsing import as_time
from worker.store import Store
from worker.store.needs import to_read

READ = to_read("hourly_counts", "daily_counts", "new_counts", "progress")
"""What the functions here read."""
HISTORY = "events_counted"
"""Of the row in `progress` that says which events from before the upgrade are counted."""

Counts = dict[str, int]
"""How often, by measure (`worker.core.counting.Measure`); measures without a count are absent."""

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_SUMS = """
    SELECT value, measure, CAST(sum(count) AS BIGINT), '' FROM daily_counts
    WHERE dimension = {dimension} AND day >= {first_day} AND day < {end_of_days}
    GROUP BY value, measure
    UNION ALL
    SELECT value, measure, CAST(sum(count) AS BIGINT), '' FROM hourly_counts
    WHERE dimension = {dimension} AND hour >= {since} AND hour < {first_day}
    GROUP BY value, measure
    UNION ALL
    SELECT value, measure, CAST(sum(count) AS BIGINT), '' FROM hourly_counts
    WHERE dimension = {dimension} AND hour >= {end_of_days} AND hour < {until}
    GROUP BY value, measure
    UNION ALL
    SELECT '', '', 0, counts FROM new_counts
"""
_OVER_TIME = """
    SELECT {column}, measure, CAST(sum(count) AS BIGINT), '' FROM {table}
    WHERE dimension = {{dimension}} AND {column} >= {{since}} AND {column} < {{until}} {{chosen}}
    GROUP BY {column}, measure
    UNION ALL
    SELECT NULL, '', 0, counts FROM new_counts
"""


class Step(StrEnum):
    """The distance of two points of a series."""

    HOUR = "hour"
    DAY = "day"


class Known(Struct, frozen=True, kw_only=True):
    """Since when there are figures; None: for all that is on record."""

    bounces_since: datetime | None
    """Bounces and complaints: earlier events are being counted, the newest first."""
    others_since: datetime | None
    """All other measures: what is counted alone, and `unknown_…`, `repeated_…`, `paused`,
    `blocked`, which only the commit knows. None: since the database was made."""


def by_value(
    store: Store, dimension: Dimension, since: datetime, until: datetime
) -> dict[str, Counts]:
    """Return the counts of each value from the hour of `since` to before `until`.

    The value of `Dimension.ALL` is empty. With few bounces a value may be `other` as well as a
    value of its own: each hour, and each day, keeps its largest values.

    Raises:
        Unavailable: the database cannot be read now.

    """
    since, until = _whole(since, until, _HOUR)
    first_day, end_of_days = _up(since, _DAY), _down(until, _DAY)
    if first_day >= end_of_days:
        first_day = end_of_days = since
    found: dict[str, Counts] = {}
    new: dict[Fact, int] = {}
    for value, measure, count, written in store.ask(
        _SUMS,
        dimension=dimension.value,
        since=since,
        until=until,
        first_day=first_day,
        end_of_days=end_of_days,
    ):
        if written:
            read_facts(written, into=new)
        else:
            _add(found, value, measure, count)
    for _, value, measure, count in _figures(new, dimension, since, until):
        _add(found, value, measure, count)
    return found


def over_time(
    store: Store,
    since: datetime,
    until: datetime,
    step: Step = Step.DAY,
    *,
    dimension: Dimension = Dimension.ALL,
    value: str | None = None,
) -> dict[datetime, Counts]:
    """Return the counts of each hour, or day in UTC, that has any, from that of `since` on.

    `value`: only that of a value of the dimension.

    Raises:
        Unavailable: the database cannot be read now.

    """
    length = _HOUR if step is Step.HOUR else _DAY
    since, until = _whole(since, until, length)
    table = "hourly_counts" if step is Step.HOUR else "daily_counts"
    query = _OVER_TIME.format(column=step.value, table=table)
    chosen = "" if value is None else "AND value = {value}"
    named = {} if value is None else {"value": value}
    query = query.replace("{chosen}", chosen)
    found: dict[datetime, Counts] = {}
    new: dict[Fact, int] = {}
    for at, measure, count, written in store.ask(
        query, dimension=dimension.value, since=since, until=until, **named
    ):
        if written:
            read_facts(written, into=new)
        elif (time := as_time(at)) is not None:
            _add(found, time.astimezone(UTC), measure, count)
    for hour, of, measure, count in _figures(new, dimension, since, until):
        if value is None or of == value:
            _add(found, _down(hour, length), measure, count)
    return dict(sorted(found.items()))


def known(store: Store) -> Known:
    """Return since when there are figures.

    Raises:
        Unavailable: the database cannot be read now.

    """
    rows = store.ask("SELECT value FROM progress WHERE name = {name}", name=HISTORY)
    history = msgspec.json.decode(rows[0][0], type=History) if rows else History()
    return Known(
        bounces_since=None if history.is_complete else history.down_to or history.since,
        others_since=history.since,
    )


class History(Struct, frozen=True, kw_only=True):
    """How far the events from before the upgrade are counted, as `progress` has it."""

    below: int = 0
    """Events with smaller ids are yet to be counted; 0: none."""
    down_to: datetime | None = None
    """When the last counted of them was received; None: none was."""
    since: datetime | None = None
    """The time of the upgrade; None: there was no event then."""

    @property
    def is_complete(self) -> bool:
        """Whether all are counted."""
        return self.below <= 1


def _figures(
    facts: dict[Fact, int], dimension: Dimension, since: datetime, until: datetime
) -> Iterator[tuple[datetime, str, str, int]]:
    """Yield hour, value, measure and count of those in the dimension and the time."""
    for (of, hour, measure, value), count in figures_of(facts).items():
        if of == dimension and since <= (at := hour_of(hour)) < until:
            yield at, value, measure, count


def hour_of(text: str) -> datetime:
    """Return the beginning of an hour that is written as in a fact."""
    return datetime.fromisoformat(f"{text}:00:00+00:00")


def _add(found: dict[Any, Counts], key: object, measure: str, count: int) -> None:
    counts = found.setdefault(key, {})
    counts[measure] = counts.get(measure, 0) + count


def _whole(since: datetime, until: datetime, length: timedelta) -> tuple[datetime, datetime]:
    return _down(since, length), _up(until, length)


def _down(time: datetime, length: timedelta) -> datetime:
    time = time.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return time.replace(hour=0) if length == _DAY else time


def _up(time: datetime, length: timedelta) -> datetime:
    down = _down(time, length)
    return down if down == time else down + length
