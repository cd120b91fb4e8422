"""`make bench`: the worker, the floor and (with --peers) the peers, in one run."""

import random
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import click
import msgspec
from rich.console import Console

from bench import chart, report, yardstick
from bench.attempts import Attempt, Wrong
from bench.books import SqliteBooks, email
from bench.contestants import Contestant, Worker, make_floor
from bench.figures import lines
from bench.machine import describe
from bench.peers import install_peers
from bench.places import (
    BENCH,
    OUT,
    USERS,
    Unfit,
    claimed,
    environment,
    find_node,
    node_version,
)
from bench.postgresql import running_postgresql
from bench.processes import Failed
from bench.stub import Stub, running_stub

DELAYS = (0, 8)
"""Milliseconds: none, and about what a call within a region takes."""
MESSAGES = 10_000
MESSAGES_WITH_DELAY = 4_000
"""The floor does some 400 a second then."""
FEWEST_ROUNDS = 3
"""Of a run whose results are kept."""

console = Console(stderr=True)
Results = dict[int, dict[int, dict[str, Attempt]]]
"""Attempts by delay, round and contestant."""


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--delay", type=click.IntRange(min=0), help="Milliseconds; default: 0, then 8.")
@click.option("--variants", help="Names with commas between them; default: all.")
@click.option(
    "--messages",
    type=click.IntRange(min=100, max=USERS),
    help=f"In a run; default: {MESSAGES}, with delay {MESSAGES_WITH_DELAY}.",
)
@click.option("--peers", is_flag=True, help="Install and include aiobotocore and sqs-consumer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
def main(
    *,
    rounds: int,
    delay: int | None,
    variants: str | None,
    messages: int | None,
    peers: bool,
    as_json: bool,
) -> None:
    """Compare the worker with a floor and with its peers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    delays = DELAYS if delay is None else (delay,)
    loads = {one: messages or (MESSAGES_WITH_DELAY if one else MESSAGES) for one in delays}
    try:
        with _contestants(peers=peers) as (stub, contestants, versions):
            chosen = _chosen(contestants, variants)
            results, troubles = _compete(stub, chosen, rounds, loads)
    except Unfit as error:
        sys.exit(str(error))
    tables = {one: lines(found, [c.name for c in chosen]) for one, found in results.items()}
    what = {contestant.name: contestant.what for contestant in chosen}
    whole = not (variants or messages or troubles or delay is not None) and rounds >= FEWEST_ROUNDS
    places = [OUT, BENCH] if whole else [OUT]
    for place in places:
        place.joinpath("RESULTS.md").write_text(report.markdown(tables, versions, what, loads))
        place.joinpath("results.svg").write_text(chart.svg(tables))
    raw = {"versions": versions, "tables": tables, "attempts": results, "troubles": troubles}
    encoded = msgspec.json.encode(raw)
    OUT.joinpath("results.json").write_bytes(encoded)
    if as_json:
        click.echo(encoded)
    else:
        report.show(tables)
        console.print(f"written: {', '.join(str(place / 'RESULTS.md') for place in places)}")
    sys.exit(1 if troubles else 0)


@contextmanager
def _contestants(*, peers: bool) -> Iterator[tuple[Stub, list[Contestant], dict[str, str]]]:
    """Have everything that is needed, for as long as the block lasts."""
    node = find_node()
    with ExitStack() as stack:
        stack.enter_context(claimed())
        console.print("preparing the stub and databases with 100,000 users …")
        stub = stack.enter_context(running_stub(node))
        surroundings = environment(stub.endpoint)
        template = OUT / "floor-template.db"
        template.unlink(missing_ok=True)
        yardstick.make_template(template, map(email, range(USERS)))
        sqlite = SqliteBooks(surroundings)
        postgresql = stack.enter_context(running_postgresql(surroundings))
        contestants: list[Contestant] = [make_floor(template)]
        contestants += [Worker(books, n) for books in (sqlite, postgresql) for n in (1, 2)]
        contestants.insert(2, Worker(sqlite, client="boto3"))
        if peers:
            installed, troubles = install_peers(template)
            contestants += installed
            for trouble in troubles:
                console.print(f"going on without it: {trouble}")
        version = ".".join(map(str, node_version(node)))
        yield stub, contestants, describe(version, postgresql.version)


def _chosen(contestants: Sequence[Contestant], variants: str | None) -> list[Contestant]:
    if variants is None:
        return list(contestants)
    names = [name.strip() for name in variants.split(",")]
    known = [contestant.name for contestant in contestants]
    if unknown := [name for name in names if name not in known]:
        raise Unfit(f"no contestant is called {unknown[0]}: there are {', '.join(known)}")
    return [contestant for contestant in contestants if contestant.name in names]


def _compete(
    stub: Stub, contestants: Sequence[Contestant], rounds: int, loads: dict[int, int]
) -> tuple[Results, list[str]]:
    """Let all take turns; who fails is told and left out of that round."""
    results: Results = {delay: {} for delay in loads}
    troubles: list[str] = []
    for number in range(rounds):
        for delay, messages in loads.items():
            attempts = results[delay].setdefault(number, {})
            stub.delay(delay)
            for contestant in random.sample(contestants, len(contestants)):
                try:
                    attempt = contestant.attempt(stub, messages)
                except (Failed, Wrong) as error:
                    troubles.append(f"{contestant.name}: {error}")
                    console.print(troubles[-1], style="red", markup=False)
                    continue
                attempts[contestant.name] = attempt
                console.print(
                    f"round {number + 1} of {rounds}, {delay} ms: {contestant.name:<14}"
                    f"{attempt.cpu_per_10k:6.2f} CPU-s/10k {attempt.rate:7,.0f} messages/s"
                )
    return results, troubles


if __name__ == "__main__":
    main()
