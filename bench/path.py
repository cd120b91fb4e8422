"""The path of messages without the network: decode, decide, write, count, log.

    python -m bench.path URL BODIES --batches 8

`BODIES` is a file with a body a line, in JSON. Prints the CPU microseconds of a message, without
the first batch. `bench.answers` runs this, also under valgrind.
"""

import gc
import json
import time
from collections.abc import Sequence
from pathlib import Path

import click

from bench.messages import received
from worker.core.floods import Floods
from worker.core.policy import Policy
from worker.observability.log import configure_logging
from worker.observability.metrics import Metrics, Timed
from worker.observability.stderr import lines_together
from worker.observability.telemetry import Telemetry
from worker.process import process
from worker.store import open_store

BATCH = 200
"""The largest commit of a worker."""


@click.command()
@click.argument("url")
@click.argument("bodies", type=click.Path(exists=True, path_type=Path))
@click.option("--batches", type=click.IntRange(min=2), required=True)
def main(url: str, bodies: Path, batches: int) -> None:
    """Put the first bodies of a file through the path."""
    lines = bodies.read_text().splitlines()[: batches * BATCH]
    print(used(url, [json.loads(line) for line in lines]))


def used(url: str, bodies: Sequence[str]) -> float:
    """Return the CPU microseconds of a message."""
    with Path("/dev/null").open("w") as log:
        configure_logging("info", json=True, stream=log)
        store, metrics, floods = open_store(url), Metrics(), Floods()
        telemetry, timed, policy = Telemetry(metrics), Timed(store, metrics), Policy()
        gc.disable()
        began = 0.0
        for start in range(0, len(bodies), BATCH):
            if start == BATCH:
                began = time.process_time()
            messages = received(bodies[start : start + BATCH])
            handled = process(messages, timed, policy, floods)
            if not all(result.decisions for result in handled):
                raise SystemExit("not all messages were applied")
            metrics.written(handled)
            with lines_together():
                telemetry.report(handled)
        seconds = time.process_time() - began
        store.close()
    return seconds / (len(bodies) - BATCH) * 1e6


if __name__ == "__main__":
    main()
