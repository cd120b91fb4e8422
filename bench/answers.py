"""Measure how long answers take, and what a message costs, as the database grows.

    python -m bench.answers [--store postgresql] [--largest 10000000] [--rounds 5] [--only why]

For each size a database with so many users and so many events of the last 90 days, and figures by
the hour of as many bounces. The result becomes a section and a plot of bench/RESULTS.md. The
largest database takes 11 GB of bench/out while it is queried.
"""

import json
import os
import random
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import psycopg
from msgspec.structs import replace
from rich.console import Console

from bench.answers_report import STORES, write_answers
from bench.counting import valgrind_command, valgrind_count
from bench.findings import Answer, Answers, AnswersAt
from bench.grown_stores import Place, grown_stores
from bench.machine import describe
from bench.parts import keep, kept
from bench.path import BATCH
from bench.places import BENCH, OUT, ROOT, WORKER, Unfit, claimed, environment, find_node
from bench.processes import Failed
from bench.reports import BY
from bench.spread import DAYS
from bench.stub import make_bodies
from worker.store import open_store
from worker.store.history import history_of

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
FEW, MANY = 1_000, 100_000
"""Addresses of a list that is checked."""
PATH_BATCHES = 9
SHORT, LONG = 2, 8
"""Batches of the two runs under valgrind, of which the difference counts."""
_MAY_NOT = "SELECT reason, until FROM do_not_mail WHERE email_key = "
_ANSWERED = (0, 3)
"""Exit statuses of a command that has answered."""
console = Console(stderr=True)


@click.command()
@click.option("--store", type=click.Choice([*STORES]), default="sqlite")
@click.option("--largest", type=click.IntRange(min=1_000), default=SIZES[-1], show_default=True)
@click.option("--skip", type=int, multiple=True, help="A size to leave out.")
@click.option("--only", default="", help="Only questions that begin so, such as report; no path.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
def main(store: str, largest: int, skip: tuple[int, ...], only: str, rounds: int) -> None:
    """Measure each size; write the table and the plot of all that was measured so far."""
    try:
        node = find_node()
        with claimed(), grown_stores(store) as made:
            for size in (size for size in SIZES if size <= largest and size not in skip):
                began = time.monotonic()
                with made(size) as place:
                    console.print(f"{size:,} users and events in {time.monotonic() - began:.0f} s")
                    if only:
                        _keep_answers(store, size, _answers(place, size, rounds, only))
                    else:
                        _keep(store, rounds, _measured(place, node, size, rounds), node)
    except (Unfit, Failed) as error:
        sys.exit(str(error))
    write_answers(BENCH)


def _keep(store: str, rounds: int, point: AnswersAt, node: str) -> None:
    """Keep what was measured, beside what was measured before with databases of other sizes."""
    name = f"answers-{store}"
    before = kept(name, Answers)
    points = {point.size: point for point in before.result.points} if before else {}
    points[point.size] = point
    machine = describe(node, None)["machine"]
    ordered = [points[size] for size in sorted(points)]
    keep(name, Answers(store=store, rounds=rounds, machine=machine, points=ordered))


def _keep_answers(store: str, size: int, answers: dict[str, Answer]) -> None:
    """Keep some answers in place of those that were measured before with the same size."""
    name = f"answers-{store}"
    if before := kept(name, Answers):
        points = [
            replace(point, answers=point.answers | answers) if point.size == size else point
            for point in before.result.points
        ]
        keep(name, replace(before.result, points=points))


def _answers(place: Place, size: int, rounds: int, only: str = "") -> dict[str, Answer]:
    answers = {}
    for name, ask in _questions(place, size).items():
        if name.startswith(only):
            answers[name] = _timed(ask, place, rounds)
            console.print(f"{size:>10,} {name}: {answers[name].shown}")
    return answers


def _measured(place: Place, node: str, size: int, rounds: int) -> AnswersAt:
    answers = _answers(place, size, rounds)
    bodies = OUT / "answers-bodies"
    cpu_us = [_path_cpu(place, node, size, bodies, number) for number in range(rounds)]
    load = os.getloadavg()[0]
    found = AnswersAt(
        size=size,
        megabytes=place.megabytes(),
        answers=answers,
        path_cpu_us=statistics.median(cpu_us),
        path_load=load,
        path_instructions=_path_instructions(place, node, size, bodies),
        measured=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )
    console.print(
        f"{size:>10,} a message: {found.path_cpu_us:.1f} us, {found.path_instructions} instructions"
    )
    return found


def _questions(place: Place, size: int) -> dict[str, Callable[[], object]]:
    rng = random.Random(size)
    store = open_store(place.url)

    def somebody() -> str:
        number = rng.randrange(size)
        return f"{'unknown' if number % 10 == 9 else 'user'}{number}@example{number % 977}.com"

    def listed(count: int) -> str:
        unknown = (f"unknown{number}@example.com" for number in range(count // 2))
        return "\n".join([*(somebody() for _ in range(count // 2)), *unknown])

    def command(*words: str, given: str = "") -> None:
        done = subprocess.run(
            [WORKER, *words],
            env={"SES_WORKER_STORE__URL": place.url, "LANG": "C.UTF-8"},
            input=given,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode not in _ANSWERED:
            raise Failed(f"{' '.join(words)}: status {done.returncode}: {done.stderr[-500:]}")

    def check(count: int) -> Callable[[], None]:
        given = listed(count)
        return lambda: command("users", "check", "-", "--csv", "-", given=given)

    def report(by: str) -> Callable[[], None]:
        return lambda: command("report", "--days", str(DAYS), "--by", by, "--json")

    ask = _application(place)
    for first in (ask, lambda address: history_of(store, address)):
        first(somebody())  # imports, and fills the caches
    return {
        "do_not_mail": lambda: ask(somebody()),
        "why, its queries": lambda: history_of(store, somebody()),
        "why": lambda: command("why", somebody()),
        f"check {FEW:,}": check(FEW),
        f"check {MANY:,}": check(MANY),
        **{f"report by {by}": report(by) for by in BY},
    }


def _application(place: Place) -> Callable[[str], object]:
    """Return what asks the view as an application does: by a connection that is open."""
    connection: Any
    if place.is_file:
        connection = sqlite3.connect(place.url.removeprefix("sqlite:///"))
        query = f"{_MAY_NOT}?"
    else:
        connection = psycopg.connect(place.url, autocommit=True)
        query = f"{_MAY_NOT}%s"
    return lambda address: connection.execute(query, (address,)).fetchall()


def _timed(work: Callable[[], object], place: Place, rounds: int) -> Answer:
    """Return the medians of wall and CPU time, the server's included."""
    walls, cpus, loads = [], [], []
    for _ in range(rounds):
        began, cpu = time.monotonic(), _cpu(place)
        work()
        walls.append(time.monotonic() - began)
        cpus.append(_cpu(place) - cpu)
        loads.append(os.getloadavg()[0])
    return Answer(
        wall=statistics.median(walls),
        least=min(walls),
        most=max(walls),
        cpu=statistics.median(cpus),
        load=statistics.median(loads),
    )


def _cpu(place: Place) -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages) + place.server_seconds()


def _path_cpu(place: Place, node: str, size: int, bodies: Path, number: int) -> float:
    """Return the CPU microseconds of a message: the worker's, and the server's."""
    _write_bodies(bodies, node, size, f"cpu-{number}", PATH_BATCHES)
    before = place.server_seconds()
    done = _path(place, bodies, PATH_BATCHES)
    server = (place.server_seconds() - before) / (PATH_BATCHES * BATCH) * 1e6
    return float(done) + server


def _path_instructions(place: Place, node: str, size: int, bodies: Path) -> int | None:
    """Count the instructions of a message exactly; None where the server does a part of it."""
    if not place.is_file:
        return None
    counts = []
    for batches in (SHORT, LONG):
        _write_bodies(bodies, node, size, f"instructions-{batches}", batches)
        log = OUT / "answers-valgrind.log"
        _path(place, bodies, batches, before=valgrind_command(log))
        counts.append(valgrind_count(log))
    return round((counts[1] - counts[0]) / (LONG - SHORT) / BATCH)


def _path(place: Place, bodies: Path, batches: int, before: list[str] | None = None) -> str:
    module = [sys.executable, "-m", "bench.path"]
    command = [*(before or []), *module, place.url, str(bodies), "--batches", str(batches)]
    surroundings: Mapping[str, str] = environment("http://127.0.0.1:9", PYTHONHASHSEED="0")
    done = subprocess.run(
        command, env=surroundings, cwd=ROOT, text=True, check=True, stdout=subprocess.PIPE
    )
    return done.stdout


def _write_bodies(path: Path, node: str, size: int, seed: str, batches: int) -> None:
    texts = make_bodies(node, batches * BATCH, f"{seed}-{time.time_ns()}", size)
    path.write_text("".join(f"{json.dumps(text)}\n" for text in texts))


if __name__ == "__main__":
    main()
