"""Invented figures by the hour and by the day, as a worker has them after some number of bounces.

Each hour of 90 days has at most its 200 largest domains of 40,000, drawn by Zipf's law, 200 tenants
of 600, 25 providers, 12 configuration sets, ten types and ten measures, and no more of each than
there are bounces within the hour; each day keeps its 200 largest values.
"""

import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import psycopg

from bench.spread import DAYS
from worker.store.largest import largest

Row = tuple[str, str, str, str, int]
_DOMAINS = [f"d{number}.example" for number in range(40_000)]
_WEIGHTS = list(accumulate(1 / (number + 1) for number in range(len(_DOMAINS))))
_MEASURES = {
    "send": 1.0, "delivery": 0.97, "hard_bounce": 0.5, "soft_bounce": 0.3, "complaint": 0.05,
    "refused": 0.05, "repeated_bounce": 0.2, "paused": 0.4, "open": 0.4, "click": 0.2,
}  # fmt: skip
"""And how many of the values have each of them within an hour."""
_TYPES = (
    "Permanent/General", "Permanent/NoEmail", "Permanent/Suppressed", "Transient/General",
    "Permanent/OnAccountSuppressionList", "Transient/MailboxFull", "Transient/ContentRejected",
    "Transient/MessageTooLarge", "Undetermined/Undetermined", "abuse/",
)  # fmt: skip
_STATUSES = tuple(f"5.{subject}.{detail}" for subject in range(1, 8) for detail in range(1, 6))
_FAULTS = ("recipient", "message", "sender", "receiver", "unknown")
_INSERT = "INSERT INTO {table} VALUES (?, ?, ?, ?, ?)"
_COPY = "COPY {table} FROM STDIN"


def fill_sqlite(path: Path, bounces: int) -> int:
    """Write the figures into a file; return how many rows there are by the hour."""
    rows = 0
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for hourly, daily in _days(bounces):
            connection.executemany(_INSERT.format(table="hourly_counts"), hourly)
            connection.executemany(_INSERT.format(table="daily_counts"), daily)
            rows += len(hourly)
        connection.commit()
    return rows


def fill_postgresql(url: str, bounces: int) -> int:
    """Write the figures into a database; return how many rows there are by the hour."""
    count = 0
    with psycopg.connect(url) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        for hourly, daily in _days(bounces):
            for table, rows in ("hourly_counts", hourly), ("daily_counts", daily):
                with connection.cursor().copy(_COPY.format(table=table)) as copy:
                    for row in rows:
                        copy.write_row(row)
            count += len(hourly)
    return count


def _days(bounces: int) -> Iterator[tuple[list[Row], list[Row]]]:
    now = datetime.now(UTC)
    for day in range(DAYS + 1):
        hourly = list(_of_day(random.Random(day), now - timedelta(days=day), bounces))
        yield hourly, list(_summed(hourly))


def _of_day(rng: random.Random, day: datetime, bounces: int) -> Iterator[Row]:
    for number in range(24):
        hour = f"{day:%Y-%m-%d} {number:02}:00:00.000000"
        within = bounces / (DAYS * 24)
        if within < rng.random():
            continue
        domains = {*rng.choices(_DOMAINS, cum_weights=_WEIGHTS, k=380), "other"}
        tenants = {f"tenant{rng.randrange(600)}" for _ in range(240)}
        for dimension, values in (
            ("all", [""]),
            ("type", _TYPES),
            ("status", _STATUSES),
            ("fault", _FAULTS),
            ("domain", sorted(domains)[:201]),
            ("provider", [f"provider{at}" for at in range(25)]),
            ("configuration_set", [f"set{at}" for at in range(12)]),
            ("tenant", sorted(tenants)[:201]),
        ):
            most = max(1, round(within))
            named = list(values) if len(values) <= most else rng.sample(values, most)
            yield from _of_hour(rng, dimension, hour, named, max(1.0, within))


def _of_hour(
    rng: random.Random, dimension: str, hour: str, values: list[str], bounces: float
) -> Iterator[Row]:
    each = bounces / len(values)
    for value in values:
        for measure, share in _MEASURES.items():
            if rng.random() < share:
                times = 20 if measure in {"send", "delivery"} else 1
                yield dimension, hour, measure, value, 1 + round(each * times * rng.random() * 2)


def _summed(hourly: Iterable[Row]) -> Iterator[Row]:
    """Add a day up, as a worker does when the day is over."""
    sums: dict[str, dict[tuple[str, str], int]] = {}
    at = ""
    for dimension, hour, measure, value, count in hourly:
        at = f"{hour[:10]} 00:00:00.000000"
        of = sums.setdefault(dimension, {})
        of[measure, value] = of.get((measure, value), 0) + count
    for dimension, of in sums.items():
        small, others = largest((*key, count) for key, count in of.items())
        kept = {(m, value): count for (m, value), count in of.items() if value not in small}
        for measure, value, count in others:
            kept[measure, value] = kept.get((measure, value), 0) + count
        for (measure, value), count in kept.items():
            yield dimension, at, measure, value, count
