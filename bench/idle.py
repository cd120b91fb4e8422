"""Measure what a waiting worker costs, and how soon a message is in the store.

    python -m bench.idle [--seconds 120] [--singles 60]

`ses-worker run` with default settings, Slack set and the metrics listening, in real time. Nobody
asks the worker for anything: the stub counts its calls, the kernel its CPU, and the moment of
record is when another program, which looks about every half millisecond, reads the new row.
"""

import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from subprocess import Popen

import click
from rich.console import Console

from bench.attempts import Wrong
from bench.drains import settings
from bench.figures import middle
from bench.findings import Idle
from bench.parts import keep
from bench.places import OUT, WORKER, Unfit, claimed, environment, find_node
from bench.processes import Failed, cpu_seconds, resident_mb, started
from bench.stores import SqliteBenchStore
from bench.stub import Stub, make_bodies, running_stub

LOOK_SECONDS = 0.0005
SETTLED_SECONDS = 5
"""After the start, and after the last message: what is not waiting has ended by then."""
LOST_SECONDS = 20
NOTICE_SECONDS = 180
"""Slack takes a message a second, and digests come minutes apart: until then the worker is busy."""
UNFINISHED = "SELECT count(*) FROM outbox WHERE state IN ('waiting', 'claimed')"
QUEUE = "idle"
console = Console(stderr=True)


@click.command()
@click.option("--seconds", type=click.IntRange(min=20), default=120, show_default=True)
@click.option("--singles", type=click.IntRange(min=3), default=60, show_default=True)
def main(seconds: int, singles: int) -> None:
    """Measure an idle worker."""
    try:
        node = find_node()
        with claimed(), running_stub(node) as stub:
            store = SqliteBenchStore(environment(stub.endpoint))
            found = measure(stub, store, make_bodies(node, singles, "singles"), seconds)
    except (Unfit, Failed, Wrong) as error:
        sys.exit(str(error))
    keep("idle", found)
    show(found)


def measure(stub: Stub, store: SqliteBenchStore, bodies: list[str], seconds: float) -> Idle:
    """Send single messages to an idle worker, then leave it alone."""
    store_url = store.fresh()
    with daemon(stub, QUEUE, store_url) as worker:
        _until(lambda: stub.has(QUEUE, receives=1), worker)
        time.sleep(SETTLED_SECONDS)
        with closing(sqlite3.connect(store_url.removeprefix("sqlite:///"))) as reader:
            took, looks = _singles(stub, reader, bodies, worker)
            _until(lambda: stub.has(QUEUE, deleted=len(bodies)), worker)
            _until(lambda: not reader.execute(UNFINISHED).fetchone()[0], worker, NOTICE_SECONDS)
        time.sleep(SETTLED_SECONDS)
        calls, used, began = stub.stats(QUEUE).calls, cpu_seconds(worker), time.monotonic()
        time.sleep(seconds)
        used, lasted = cpu_seconds(worker) - used, time.monotonic() - began
        later = stub.stats(QUEUE).calls
        receives = later["ReceiveMessage"] - calls["ReceiveMessage"]
        return Idle(
            seconds=lasted,
            cpu_share=used / lasted,
            receives=receives,
            other_calls=sum(later.values()) - sum(calls.values()) - receives,
            megabytes=resident_mb(worker),
            singles=len(took),
            latency_ms=middle(took),
            latency_p95_ms=statistics.quantiles(took, n=20)[-1],
            look_ms=middle(looks),
        )


@contextmanager
def daemon(stub: Stub, queue: str, store_url: str) -> Iterator[Popen[bytes]]:
    """Run a worker for the block; default settings, but for places and a free port."""
    surroundings = settings(stub, queue, store_url) | {"SES_WORKER_HTTP__LISTEN": "127.0.0.1:0"}
    with started([str(WORKER), "run"], surroundings, OUT / "idle" / "run") as worker:
        yield worker  # and is killed then: a stop would take a long poll


def _singles(
    stub: Stub, reader: sqlite3.Connection, bodies: list[str], worker: Popen[bytes]
) -> tuple[list[float], list[float]]:
    took, looks = [], []
    for number, body in enumerate(bodies):
        time.sleep(random.uniform(0.1, 0.4))  # no rhythm that something else may share
        began = time.monotonic()
        stub.send(QUEUE, body)
        observed = last = time.monotonic()
        while reader.execute("SELECT count(*) FROM events").fetchone()[0] <= number:
            if observed - began > LOST_SECONDS or worker.poll() is not None:
                raise Wrong(f"message {number + 1} is not on record after {LOST_SECONDS} s")
            time.sleep(LOOK_SECONDS)
            last, observed = observed, time.monotonic()
            looks.append((observed - last) * 1_000)
        took.append((time.monotonic() - began) * 1_000)
    return took, looks


def _until(so: Callable[[], bool], worker: Popen[bytes], seconds: float = LOST_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not so():
        if worker.poll() is not None or time.monotonic() > deadline:
            raise Wrong(f"the worker does not work: see {OUT / 'idle' / 'run.log'}")


def show(found: Idle) -> None:
    """Print it."""
    console.print(
        f"idle for {found.seconds:.0f} s: {found.cpu_share:.3%} of a core, {found.receives} "
        f"receives, {found.other_calls} other calls, {found.megabytes:.0f} MB; single messages on "
        f"record after {found.latency_ms.shown(1)} ms, p95 {found.latency_p95_ms:.1f} ms"
    )


if __name__ == "__main__":
    main()
