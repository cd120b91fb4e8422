"""How long a command takes to answer, and a worker to poll.

python -m bench.start [--rounds 11]
"""

import subprocess
import sys
import time
from itertools import count

import click
from rich.console import Console

from bench.attempts import Wrong
from bench.figures import middle
from bench.findings import Start
from bench.idle import daemon
from bench.parts import keep
from bench.places import OUT, WORKER, Unfit, claimed, environment, find_node
from bench.processes import Failed, cpu_seconds, resident_mb, run_together
from bench.stores import SqliteBenchStore
from bench.stub import Stub, running_stub

LONGEST_SECONDS = 30
MEMORY_AFTER_SECONDS = 2
console = Console(stderr=True)
_numbers = count()


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=11, show_default=True)
def main(rounds: int) -> None:
    """Measure starts."""
    try:
        with claimed(), running_stub(find_node()) as stub:
            found = measure(stub, SqliteBenchStore(environment(stub.endpoint)), rounds)
    except (Unfit, Failed, Wrong, subprocess.SubprocessError) as error:
        sys.exit(str(error))
    keep("start", found)
    show(found)


def measure(stub: Stub, store: SqliteBenchStore, rounds: int) -> Start:
    """Take turns: --help, run. One of each comes first and does not count."""
    helps = [_help(stub) for _ in range(rounds + 1)][1:]
    runs = [_run(stub, store) for _ in range(rounds + 1)][1:]
    return Start(
        rounds=rounds,
        help_seconds=middle([seconds for seconds, _ in helps]),
        help_cpu_seconds=middle([cpu for _, cpu in helps]),
        polling_seconds=middle([seconds for seconds, _, _ in runs]),
        polling_cpu_seconds=middle([cpu for _, cpu, _ in runs]),
        megabytes=middle([megabytes for _, _, megabytes in runs]),
    )


def _help(stub: Stub) -> tuple[float, float]:
    began = time.monotonic()
    (finished,) = run_together([[str(WORKER), "--help"]], environment(stub.endpoint), OUT / "help")
    return time.monotonic() - began, finished.cpu_seconds


def _run(stub: Stub, store: SqliteBenchStore) -> tuple[float, float, float]:
    queue = f"start-{next(_numbers)}"
    store_url = store.fresh()
    began = time.monotonic()
    with daemon(stub, queue, store_url) as worker:
        while not stub.has(queue, receives=1):
            if worker.poll() is not None or time.monotonic() - began > LONGEST_SECONDS:
                raise Wrong(f"it does not poll: see {OUT / 'idle' / 'run.log'}")
        seconds, used = time.monotonic() - began, cpu_seconds(worker)
        time.sleep(MEMORY_AFTER_SECONDS)
        return seconds, used, resident_mb(worker)


def show(found: Start) -> None:
    """Print it."""
    console.print(
        f"--help {found.help_seconds.shown(2)} s; polling after {found.polling_seconds.shown(2)} s "
        f"({found.polling_cpu_seconds.shown(2)} s of CPU), {found.megabytes.shown(0)} MB"
    )


if __name__ == "__main__":
    main()
