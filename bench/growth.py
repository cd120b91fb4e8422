"""Measure what a message costs as the store grows, and what a duplicate costs.

    python -m bench.growth [--rounds 5] [--messages 10000] [--largest 10000000]

Stores of several sizes take turns in each round, in shuffled order. The largest takes 8 GB of
bench/out while this runs.
"""

import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

import click
from rich.console import Console

from bench.attempts import STARTUP_MESSAGES, Attempt, Job, Wrong, check, without_startup
from bench.drains import drain
from bench.figures import middle
from bench.findings import Growth, Point
from bench.grown import GrownStore
from bench.parts import keep
from bench.places import USERS, Unfit, claimed, environment, find_node
from bench.processes import Failed
from bench.stub import Stub, running_stub

SIZES = (
    (1_000, 0),
    (1_000, 10_000),
    (10_000, 100_000),
    (100_000, 1_000_000),
    (1_000_000, 10_000_000),
)
"""Users and events."""
console = Console(stderr=True)
_numbers = count()


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--messages", type=click.IntRange(min=100), default=10_000, show_default=True)
@click.option("--largest", type=click.IntRange(min=1_000), default=SIZES[-1][1], show_default=True)
def main(rounds: int, messages: int, largest: int) -> None:
    """Measure growth and duplicates."""
    try:
        with claimed(), running_stub(find_node()) as stub:
            growth = measure(stub, rounds, messages, largest)
    except (Unfit, Failed, Wrong) as error:
        sys.exit(str(error))
    keep("growth", growth)
    show(growth)


def measure(stub: Stub, rounds: int, messages: int, largest: int) -> Growth:
    """Build the stores, and let them take turns."""
    found: list[dict[int, Attempt]] = []
    pairs: list[tuple[Attempt, Attempt]] = []
    with _grown_stores(stub, largest) as (sizes, usual):
        for number in range(rounds):
            found.append({})
            for store in random.sample(sizes, len(sizes)):
                attempt = _paid(stub, store, messages)
                found[-1][store.events] = attempt
                console.print(
                    f"round {number + 1} of {rounds}: {store.events:>10,} events "
                    f"{attempt.cpu_us:7.1f} us CPU, {1e6 / attempt.rate:7.1f} us"
                )
            pairs.append(_twice(stub, usual, messages))
        points = [_point(store, found, sizes[0].events) for store in sizes]
    return Growth(
        rounds=rounds,
        messages=messages,
        points=points,
        again_ratio=middle([again.cpu_us / first.cpu_us for first, again in pairs]),
    )


@contextmanager
def _grown_stores(stub: Stub, largest: int) -> Iterator[tuple[list[GrownStore], GrownStore]]:
    surroundings = environment(stub.endpoint)
    made: list[GrownStore] = []
    try:
        for users, events in [size for size in SIZES if size[1] <= largest]:
            began = time.monotonic()
            made.append(GrownStore(users, events, surroundings))
            took = time.monotonic() - began
            console.print(f"{users:,} users and {events:,} events: written in {took:.0f} s")
        made.append(GrownStore(USERS, 0, surroundings))
        yield made[:-1], made[-1]
    finally:
        for store in made:
            store.remove()


def _paid(stub: Stub, store: GrownStore, messages: int) -> Attempt:
    startup = _pass(stub, store, STARTUP_MESSAGES)
    return without_startup(_pass(stub, store, messages), startup)


def _twice(stub: Stub, store: GrownStore, messages: int) -> tuple[Attempt, Attempt]:
    """Drain messages, then the same again, with the same store."""
    startup = _pass(stub, store, STARTUP_MESSAGES)
    seed = f"replay-{next(_numbers)}"
    first = _pass(stub, store, messages, seed=seed)
    again = _pass(stub, store, messages, seed=seed, repeats=True)
    return without_startup(first, startup), without_startup(again, startup)


def _pass(
    stub: Stub, store: GrownStore, messages: int, *, seed: str | None = None, repeats: bool = False
) -> Attempt:
    store_url = store.url if repeats else store.fresh()
    job = _job(stub, store, messages, seed=seed, repeats=repeats)
    attempt = drain(stub, job, store_url)
    check(stub, job, store.counts())
    if not repeats:
        store.known += messages
    return attempt


def _job(
    stub: Stub,
    store: GrownStore,
    messages: int,
    *,
    seed: str | None = None,
    repeats: bool = False,
) -> Job:
    queue = f"growth-{next(_numbers)}"
    stub.load(queue, messages, seed or queue, store.users)
    return Job(queue=queue, messages=messages, known=store.known, repeats=repeats)


def _point(store: GrownStore, found: Sequence[dict[int, Attempt]], smallest: int) -> Point:
    mine = [attempts[store.events] for attempts in found]
    return Point(
        users=store.users,
        events=store.events,
        megabytes=store.bytes / 1e6,
        cpu_us=middle([point.cpu_us for point in mine]),
        more_us=middle([item[store.events].cpu_us - item[smallest].cpu_us for item in found]),
        wall_us=middle([1e6 / point.rate for point in mine]),
    )


def show(growth: Growth) -> None:
    """Print it."""
    for point in growth.points:
        console.print(
            f"{point.users:>9,} users {point.events:>10,} events {point.megabytes:8,.0f} MB: "
            f"CPU {point.cpu_us.shown(1)} us, wall {point.wall_us.shown(1)} us"
        )
    console.print(f"duplicates: {growth.again_ratio.shown(2)} x the first pass")


if __name__ == "__main__":
    main()
