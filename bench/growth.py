"""What a message costs as the records grow, and what one costs that is known already.

    python -m bench.growth [--rounds 5] [--messages 10000] [--largest 10000000]

Books of several sizes take turns in each round, in an order that is shuffled. The largest needs
some 8 GB in bench/out, for as long as it runs.
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
from bench.drains import drain, drain_and_tell
from bench.figures import middle
from bench.findings import Growth, Point, Told
from bench.grown import GrownBooks
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
    """Measure growth, duplicates and telling."""
    try:
        with claimed(), running_stub(find_node()) as stub:
            growth = measure(stub, rounds, messages, largest)
    except (Unfit, Failed, Wrong) as error:
        sys.exit(str(error))
    keep("growth", growth)
    show(growth)


def measure(stub: Stub, rounds: int, messages: int, largest: int) -> Growth:
    """Build the books, and let them take turns."""
    found: list[dict[int, Attempt]] = []
    pairs: list[tuple[Attempt, Attempt]] = []
    told: list[Told] = []
    with _books(stub, largest) as (sizes, usual):
        for number in range(rounds):
            found.append({})
            for books in random.sample(sizes, len(sizes)):
                attempt = _paid(stub, books, messages)
                found[-1][books.events] = attempt
                console.print(
                    f"round {number + 1} of {rounds}: {books.events:>10,} events "
                    f"{attempt.cpu_us:7.1f} us CPU, {1e6 / attempt.rate:7.1f} us"
                )
            pairs.append(_twice(stub, usual, messages))
            if number < 3:
                told.append(_told(stub, usual, messages))
        points = [_point(books, found, sizes[0].events) for books in sizes]
    return Growth(
        rounds=rounds,
        messages=messages,
        points=points,
        first_us=middle([first.cpu_us for first, _ in pairs]),
        again_us=middle([again.cpu_us for _, again in pairs]),
        again_ratio=middle([again.cpu_us / first.cpu_us for first, again in pairs]),
        told=told,
    )


@contextmanager
def _books(stub: Stub, largest: int) -> Iterator[tuple[list[GrownBooks], GrownBooks]]:
    surroundings = environment(stub.endpoint)
    made: list[GrownBooks] = []
    try:
        for users, events in [size for size in SIZES if size[1] <= largest]:
            began = time.monotonic()
            made.append(GrownBooks(users, events, surroundings))
            took = time.monotonic() - began
            console.print(f"{users:,} users and {events:,} events: written in {took:.0f} s")
        made.append(GrownBooks(USERS, 0, surroundings))
        yield made[:-1], made[-1]
    finally:
        for books in made:
            books.remove()


def _paid(stub: Stub, books: GrownBooks, messages: int) -> Attempt:
    startup = _pass(stub, books, STARTUP_MESSAGES)
    return without_startup(_pass(stub, books, messages), startup)


def _twice(stub: Stub, books: GrownBooks, messages: int) -> tuple[Attempt, Attempt]:
    """Drain messages, then the same again, with the same books."""
    startup = _pass(stub, books, STARTUP_MESSAGES)
    seed = f"replay-{next(_numbers)}"
    first = _pass(stub, books, messages, seed=seed)
    again = _pass(stub, books, messages, seed=seed, repeats=True)
    return without_startup(first, startup), without_startup(again, startup)


def _pass(
    stub: Stub, books: GrownBooks, messages: int, *, seed: str | None = None, repeats: bool = False
) -> Attempt:
    store_url = books.url if repeats else books.fresh()
    job = _job(stub, books, messages, seed=seed, repeats=repeats)
    attempt = drain(stub, job, store_url)
    check(stub, job, books.counts())
    if not repeats:
        books.known += messages
    return attempt


def _told(stub: Stub, books: GrownBooks, messages: int) -> Told:
    store_url = books.fresh()
    job = _job(stub, books, messages)
    told = drain_and_tell(stub, job, store_url)
    check(stub, job, books.counts())
    return told


def _job(
    stub: Stub,
    books: GrownBooks,
    messages: int,
    *,
    seed: str | None = None,
    repeats: bool = False,
) -> Job:
    queue = f"growth-{next(_numbers)}"
    stub.load(queue, messages, seed or queue, books.users)
    return Job(queue=queue, messages=messages, known=books.known, repeats=repeats)


def _point(books: GrownBooks, found: Sequence[dict[int, Attempt]], smallest: int) -> Point:
    mine = [attempts[books.events] for attempts in found]
    return Point(
        users=books.users,
        events=books.events,
        megabytes=books.bytes / 1e6,
        cpu_us=middle([one.cpu_us for one in mine]),
        more_us=middle([one[books.events].cpu_us - one[smallest].cpu_us for one in found]),
        wall_us=middle([1e6 / one.rate for one in mine]),
        system_us=middle([one.system_seconds / one.paid_messages * 1e6 for one in mine]),
        passed=middle([one.passed / one.paid_messages for one in mine]),
        disk_written=middle([one.disk_written / one.paid_messages for one in mine]),
        disk_read=middle([one.disk_read / one.paid_messages for one in mine]),
    )


def show(growth: Growth) -> None:
    """Print the curve."""
    for point in growth.points:
        console.print(
            f"{point.users:>9,} users {point.events:>10,} events {point.megabytes:8,.0f} MB: "
            f"CPU {point.cpu_us.shown(1)} us, of it system {point.system_us.shown(1)} us, "
            f"wall {point.wall_us.shown(1)} us, "
            f"passed {point.passed.shown(0)} B, charged {point.disk_written.shown(0)} B"
        )
    console.print(f"duplicates: {growth.again_ratio.shown(2)} x the first pass")


if __name__ == "__main__":
    main()
