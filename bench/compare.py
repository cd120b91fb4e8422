"""Measure the worker, the floor and (with --peers) the peers, in turns.

python -m bench.compare [--peers] [--rounds 5] [--variants floor1,worker-sqlite-1 --delay 0]
"""

import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import click
import msgspec
from rich.console import Console

from bench import yardstick
from bench.attempts import Attempt, Wrong
from bench.contestants import Contestant, Worker, make_floor
from bench.figures import Comparison, lines, rivals
from bench.machine import describe
from bench.parts import keep
from bench.peers import install_peers
from bench.places import (
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
from bench.report import show
from bench.stores import SqliteBenchStore, email
from bench.stub import Stub, running_stub

DELAYS = (0, 8)
"""Milliseconds: none, and about what a call within a region takes."""
MESSAGES = 10_000
SLOW_MESSAGES = 4_000
"""With delay, for contestants that wait for each reply: some 400 messages a second."""
SLOW = ("floor1", "sqs-consumer")
PEERS = ("aiobotocore", "sqs-consumer")
NAMES = (
    "floor1", "worker-sqlite-1", "worker-sqlite-1-boto3", "worker-sqlite-2",
    "worker-postgresql-1", "worker-postgresql-2", *PEERS,
)  # fmt: skip

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
    help=f"In a run; default: {MESSAGES}, with delay {SLOW_MESSAGES} for slow contestants.",
)
@click.option("--peers", is_flag=True, help="Install and include aiobotocore and sqs-consumer.")
def main(
    *,
    rounds: int,
    delay: int | None,
    variants: str | None,
    messages: int | None,
    peers: bool,
) -> None:
    """Compare the worker with a floor and with its peers."""
    delays = DELAYS if delay is None else (delay,)
    try:
        names = _names(variants, peers=peers)
        with _contestants(peers=peers) as (stub, contestants, versions, absent):
            chosen = [contestant for contestant in contestants if contestant.name in names]
            results, problems = _compete(stub, chosen, rounds, delays, messages)
    except Unfit as error:
        sys.exit(str(error))
    order = [contestant.name for contestant in chosen]
    tables = {item: lines(found, order) for item, found in results.items()}
    comparison = Comparison(
        rounds=rounds,
        versions=versions,
        messages=messages or MESSAGES,
        slow_messages=messages or SLOW_MESSAGES,
        tables=tables,
        against=rivals(results),
        what={contestant.name: contestant.what for contestant in chosen},
        absent=absent,
        problems=problems,
    )
    keep("compare", comparison)
    raw = {"versions": versions, "attempts": results, "problems": problems}
    OUT.joinpath("attempts.json").write_bytes(msgspec.json.encode(raw))
    show(tables)
    sys.exit(1 if problems else 0)


@contextmanager
def _contestants(
    *, peers: bool
) -> Iterator[tuple[Stub, list[Contestant], dict[str, str], list[str]]]:
    """Start the stub and the databases for the block."""
    node = find_node()
    with ExitStack() as stack:
        stack.enter_context(claimed())
        console.print("preparing the stub and databases with 100,000 users …")
        stub = stack.enter_context(running_stub(node))
        surroundings = environment(stub.endpoint)
        template = OUT / "floor-template.db"
        template.unlink(missing_ok=True)
        yardstick.make_template(template, map(email, range(USERS)))
        sqlite = SqliteBenchStore(surroundings)
        postgresql = stack.enter_context(running_postgresql(surroundings))
        contestants: list[Contestant] = [make_floor(template)]
        contestants += [Worker(store, n) for store in (sqlite, postgresql) for n in (1, 2)]
        contestants.insert(2, Worker(sqlite, client="boto3"))
        absent = ["aiobotocore and sqs-consumer take part with --peers only"]
        if peers:
            installed, absent = install_peers(template)
            contestants += installed
            for problem in absent:
                console.print(f"going on without it: {problem}")
        version = ".".join(map(str, node_version(node)))
        yield stub, contestants, describe(version, postgresql.version), absent


def _names(variants: str | None, *, peers: bool) -> set[str]:
    """Check the names before anything is prepared, which takes half a minute."""
    if variants is None:
        return {*NAMES}
    names = {name.strip() for name in variants.split(",")}
    if unknown := sorted(names - {*NAMES}):
        raise Unfit(f"no contestant is called {unknown[0]!r}: there are {', '.join(NAMES)}")
    if not peers and names & {*PEERS}:
        raise Unfit("aiobotocore and sqs-consumer take part with --peers only")
    return names


def _compete(
    stub: Stub,
    contestants: Sequence[Contestant],
    rounds: int,
    delays: Sequence[int],
    messages: int | None,
) -> tuple[Results, list[str]]:
    """Let all take turns; a worker that fails is reported and left out of that round."""
    results: Results = {delay: {} for delay in delays}
    problems: list[str] = []
    for number in range(rounds):
        for delay in delays:
            attempts = results[delay].setdefault(number, {})
            stub.delay(delay)
            for contestant in random.sample(contestants, len(contestants)):
                slow = delay and contestant.name in SLOW
                load = messages or (SLOW_MESSAGES if slow else MESSAGES)
                try:
                    attempt = contestant.attempt(stub, load)
                except (Failed, Wrong) as error:
                    problems.append(f"{contestant.name}: {error}")
                    console.print(problems[-1], style="red", markup=False)
                    continue
                attempts[contestant.name] = attempt
                console.print(
                    f"round {number + 1} of {rounds}, {delay} ms: {contestant.name:<14}"
                    f"{attempt.cpu_per_10k:6.2f} CPU-s/10k {attempt.rate:7,.0f} messages/s"
                )
    return results, problems


if __name__ == "__main__":
    main()
