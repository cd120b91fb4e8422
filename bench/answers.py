"""Measure how long answers take as the database grows.

    python -m bench.answers [--largest 10000000] [--rounds 5] [--folder bench/out]

For each size a SQLite file with so many users and so many events. Files that are there are used
again; the largest takes 10 GB.
"""

import random
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench.places import OUT, WORKER
from bench.spread import spread
from worker.store import open_store
from worker.store.bulk_answers import verdicts_on
from worker.store.history import history_of

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
MANY = 100_000
HEADS = (
    "users, events", "why, its queries", "check 1, its queries", "why", "check 1",
    f"check {MANY:,}", "export 1d",
)  # fmt: skip


@click.command()
@click.option("--largest", type=click.IntRange(min=1_000), default=SIZES[-1], show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=OUT, show_default=True)
def main(largest: int, rounds: int, folder: Path) -> None:
    """Print wall and CPU seconds, each the median of the rounds."""
    folder.mkdir(exist_ok=True)
    table = Table(*HEADS)
    for size in (size for size in SIZES if size <= largest):
        path = folder / f"{size}.db"
        if not path.exists():
            spread(path, size, size)
        table.add_row(f"{size:,}", *measured(path, size, rounds))
    Console(width=120).print(table)


def measured(path: Path, size: int, rounds: int) -> list[str]:
    """Measure with one file."""
    store = open_store(f"sqlite:///{path}")
    rng = random.Random(size)

    def somebody() -> str:
        number = rng.randrange(size)
        return f"{'stranger' if number % 10 == 9 else 'user'}{number}@example{number % 977}.com"

    def command(*words: str, given: str = "") -> Callable[[], None]:
        def call() -> None:
            subprocess.run(
                [WORKER, *words],
                env={"SES_WORKER_STORE__URL": f"sqlite:///{path}", "LANG": "C.UTF-8"},
                input=given,
                text=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )

        return call

    unknown = (f"unknown{number}@example.com" for number in range(MANY // 2))
    many = "\n".join([*(somebody() for _ in range(MANY // 2)), *unknown])
    history_of(store, somebody())  # imports
    found = [
        median(lambda: history_of(store, somebody()), rounds),
        median(lambda: verdicts_on(store, [somebody()]), rounds),
        median(command("why", somebody()), rounds),
        median(command("users", "check", somebody()), rounds),
        median(command("users", "check", "-", "--csv", "-", given=many), rounds),
        median(command("events", "export", "--since", "1d"), 1),
    ]
    store.close()
    return found


def median(work: Callable[[], object], rounds: int) -> str:
    """Return the medians of wall and CPU time."""
    walls, cpus = [], []
    for _ in range(rounds):
        began, cpu = time.monotonic(), _cpu()
        work()
        walls.append(time.monotonic() - began)
        cpus.append(_cpu() - cpu)
    return f"{_shown(statistics.median(walls))} ({_shown(statistics.median(cpus))})"


def _cpu() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _shown(seconds: float) -> str:
    return f"{seconds * 1_000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


if __name__ == "__main__":
    main()
