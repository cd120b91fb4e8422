"""Measure `ses-worker report --days 90` over figures of ten million bounces.

    python -m bench.reports [--rounds 5] [--events 1000000]

The figures are invented (`bench.invented_figures`). They are of ten million bounces, however many
rows `events` has: of those a report reads the newest ten, by an index, unless it is by a tag.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from bench.invented_figures import fill_sqlite
from bench.places import WORKER
from bench.spread import DAYS, spread

BOUNCES = 10_000_000
LIMIT_SECONDS = 3.0
USERS = 100_000
BY = ("day", "type", "domain", "provider", "configuration-set", "tenant", "fault")


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--events", type=click.IntRange(min=1_000), default=1_000_000, show_default=True)
def main(rounds: int, events: int) -> None:
    """Measure each report; exit with 1 if a report takes longer than it may."""
    with tempfile.TemporaryDirectory(prefix="ses-worker-reports-") as folder:
        path = Path(folder, "worker.db")
        spread(path, min(USERS, events), events)
        rows = fill_sqlite(path, BOUNCES)
        print(f"{events:,} events; figures: {rows:,} rows by the hour", flush=True)
        slow = [by for by in BY if measure(path, by, rounds) > LIMIT_SECONDS]
    if slow:
        sys.exit(f"longer than {LIMIT_SECONDS} s: {', '.join(slow)}")


def measure(path: Path, by: str, rounds: int) -> float:
    """Return the median of the seconds that the command takes."""
    seconds, processor = [], []
    command = [str(WORKER), "report", "--days", str(DAYS), "--by", by, "--json"]
    for _ in range(rounds):
        begun, used = time.perf_counter(), _children_seconds()
        environment = {"SES_WORKER_STORE__URL": f"sqlite:///{path}"}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begun)
        processor.append(_children_seconds() - used)
    median, spent = statistics.median(seconds), statistics.median(processor)
    between = f"[{min(seconds):.2f}-{max(seconds):.2f}]"
    print(f"{by:<18} {median:.2f} s {between}, of the processor {spent:.2f} s", flush=True)
    return median


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
