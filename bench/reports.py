"""Measure `ses-worker report --days 90` over figures of ten million bounces.

    python -m bench.reports [--rounds 5] [--events 1000000]

The figures are made up: each hour of 90 days has its 200 largest domains of 40,000, drawn by Zipf's
law, 200 tenants of 600, 25 providers, 12 configuration sets, ten types and ten measures; each day
keeps its 200 largest values, as a worker has it. They are of ten million bounces, however many
rows `events` has: of those a report reads the newest ten, by an index, unless it is by a tag.
"""

import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import click

from bench.places import WORKER
from bench.spread import DAYS, spread
from worker.store.largest import largest

Row = tuple[str, str, str, str, int]
BOUNCES = 10_000_000
LIMIT_SECONDS = 3.0
USERS = 100_000
BY = ("day", "type", "domain", "provider", "configuration-set", "tenant", "fault")
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


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--events", type=click.IntRange(min=1_000), default=1_000_000, show_default=True)
def main(rounds: int, events: int) -> None:
    """Measure each report; exit with 1 if one takes longer than it may."""
    with tempfile.TemporaryDirectory(prefix="ses-worker-reports-") as folder:
        path = Path(folder, "worker.db")
        spread(path, min(USERS, events), events)
        print(f"{events:,} events; figures: {fill(path):,} rows by the hour", flush=True)
        slow = [by for by in BY if measure(path, by, rounds) > LIMIT_SECONDS]
    if slow:
        sys.exit(f"longer than {LIMIT_SECONDS} s: {', '.join(slow)}")


def measure(path: Path, by: str, rounds: int) -> float:
    """Return the median of the seconds that the command takes."""
    seconds = []
    command = [str(WORKER), "report", "--days", str(DAYS), "--by", by, "--json"]
    for _ in range(rounds):
        begun = time.perf_counter()
        environment = {"SES_WORKER_STORE__URL": f"sqlite:///{path}"}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begun)
    median = statistics.median(seconds)
    print(f"{by:<18} {median:.2f} s [{min(seconds):.2f}-{max(seconds):.2f}]", flush=True)
    return median


def fill(path: Path) -> int:
    """Write the figures; return how many rows there are by the hour."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        for day in range(DAYS + 1):
            hourly = list(_of_day(random.Random(day), datetime.now(UTC) - timedelta(days=day)))
            connection.executemany(_INSERT.format(table="hourly_counts"), hourly)
            connection.executemany(_INSERT.format(table="daily_counts"), _summed(hourly))
        connection.commit()
        (rows,) = connection.execute("SELECT count(*) FROM hourly_counts").fetchone()
    return int(rows)


def _of_day(rng: random.Random, day: datetime) -> Iterator[Row]:
    for number in range(24):
        hour = f"{day:%Y-%m-%d} {number:02}:00:00.000000"
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
            yield from _of_hour(rng, dimension, hour, values)


def _summed(hourly: Iterable[Row]) -> Iterator[Row]:
    """Add a day up, as a worker does when the day is over."""
    sums: dict[str, dict[tuple[str, str], int]] = {}
    at = ""
    for dimension, hour, measure_, value, count in hourly:
        at = f"{hour[:10]} 00:00:00.000000"
        of = sums.setdefault(dimension, {})
        of[measure_, value] = of.get((measure_, value), 0) + count
    for dimension, of in sums.items():
        small, others = largest((*key, count) for key, count in of.items())
        kept = {(m, value): count for (m, value), count in of.items() if value not in small}
        for measure_, value, count in others:
            kept[measure_, value] = kept.get((measure_, value), 0) + count
        for (measure_, value), count in kept.items():
            yield dimension, at, measure_, value, count


def _of_hour(rng: random.Random, dimension: str, hour: str, values: Iterable[str]) -> Iterator[Row]:
    named = list(values)
    each = BOUNCES / (DAYS * 24) / len(named)
    for value in named:
        for measure_, share in _MEASURES.items():
            if rng.random() < share:
                times = 20 if measure_ in {"send", "delivery"} else 1
                yield dimension, hour, measure_, value, 1 + round(each * times * rng.random() * 2)


if __name__ == "__main__":
    main()
