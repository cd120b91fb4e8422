"""What the parts cost alone: a single thread, and nothing else in the process.

The difference to `bench.profile` is what threads cost each other.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bench.figures import Figure, middle
from bench.messages import received
from bench.places import OUT, Unfit, claimed, environment, find_node
from bench.stores import SqliteBenchStore
from bench.stub import Stub, make_bodies, running_stub
from worker.core.decode import decode
from worker.core.messages import Handled, Received
from worker.core.policy import Policy
from worker.observability.log import configure_logging
from worker.observability.metrics import Metrics, Timed
from worker.observability.stderr import lines_together
from worker.observability.telemetry import Telemetry
from worker.process import process
from worker.sqs.queue import LARGEST_BATCH, ClientOptions, Queue
from worker.store.sqlite import SqliteStore

MESSAGES = 4_000
BATCH = 200
"""The writer's largest commit."""

Measured = dict[str, tuple[Figure, Figure]]
"""Microseconds a message: CPU, and wall."""


class Stopwatch:
    """Collects repeats of the same work."""

    def __init__(self) -> None:
        self._cpu: dict[str, list[float]] = {}
        self._wall: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], None]) -> None:
        """Do the work for `MESSAGES` messages once more."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        self._cpu.setdefault(name, []).append(cpu / MESSAGES * 1e6)
        self._wall.setdefault(name, []).append(wall / MESSAGES * 1e6)

    def figures(self) -> Measured:
        """The median of the repeats, with its spread."""
        return {name: (middle(self._cpu[name]), middle(self._wall[name])) for name in self._cpu}


def measure_path(watch: Stopwatch, bodies: Sequence[str], database: Path) -> None:
    """Decode, process, count and report, with fresh messages and a fresh database."""
    handled: list[Handled] = []
    messages, store, policy = received(bodies), SqliteStore(database), Policy()
    metrics = Metrics()
    telemetry, bench_store = Telemetry(metrics), Timed(store, metrics)

    def report(batch: list[Handled]) -> None:
        with lines_together():
            telemetry.report(batch)

    def process_all() -> None:
        for start in range(0, MESSAGES, BATCH):
            handled.extend(process(messages[start : start + BATCH], bench_store, policy))

    watch.time("decode()", lambda: _each(decode, bodies))
    watch.time(f"process(), {BATCH} at a time", process_all)
    batches = [handled[start : start + BATCH] for start in range(0, MESSAGES, BATCH)]
    watch.time(f"written(), {BATCH} at a time", lambda: _each(metrics.written, batches))
    watch.time(f"report(), {BATCH} at a time", lambda: _each(report, batches))
    store.close()
    if len(handled) != MESSAGES or not all(result.decisions for result in handled):
        sys.exit("not all messages were applied")


def measure_queue(watch: Stopwatch, stub: Stub, name: str, *, lean: bool) -> None:
    """Receive and delete, without a thread beside."""
    stub.load(name, MESSAGES)
    options = ClientOptions(lean=lean, wait_seconds=1)
    queue = Queue(stub.queue_url(name), region="us-east-1", client=options)
    client = "lean" if lean else "boto3"
    queue.counts()  # the first call of a client costs more than all later ones
    held: list[list[Received]] = []

    def receive_all() -> None:
        calls = range(MESSAGES // LARGEST_BATCH)
        held.extend(queue.receive(LARGEST_BATCH, 1) for _ in calls)

    watch.time(f"Queue.receive(), ten at a time, {client}", receive_all)
    watch.time(f"Queue.delete(), ten at a time, {client}", lambda: _each(queue.delete, held))
    if stub.stats(name).deleted != MESSAGES:
        sys.exit("not all messages were deleted")
    stub.drop(name)


def _each(function: Callable[[Any], object], arguments: Iterable[Any]) -> None:
    for argument in arguments:
        function(argument)


def _measure(watch: Stopwatch, repeats: int) -> None:
    node = find_node()
    with running_stub(node) as stub, (OUT / "micro.log").open("w", buffering=1) as log:
        surroundings = environment(stub.endpoint)
        os.environ.clear()
        os.environ.update(surroundings)
        configure_logging("info", json=True, stream=log)
        store = SqliteBenchStore(surroundings)
        for number in range(repeats):
            bodies = make_bodies(node, MESSAGES, f"micro-{number}")
            measure_path(watch, bodies, Path(store.fresh().removeprefix("sqlite:///")))
            for lean in (True, False):
                measure_queue(watch, stub, f"micro-{number}-{lean}", lean=lean)


@click.command()
@click.option("--repeats", type=click.IntRange(min=1), default=5, show_default=True)
def main(repeats: int) -> None:
    """Measure decode, process, report, receive and delete, each alone."""
    watch = Stopwatch()
    try:
        with claimed():
            _measure(watch, repeats)
    except Unfit as error:
        sys.exit(str(error))
    table = Table(title=f"microseconds a message, median of {repeats}")
    table.add_column("part")
    table.add_column("CPU", justify="right")
    table.add_column("wall", justify="right")
    for name, (cpu, wall) in watch.figures().items():
        table.add_row(name, cpu.shown(1), wall.shown(1))
    Console().print(table)


if __name__ == "__main__":
    main()
