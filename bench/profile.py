"""Where a message's microseconds go: a drain in this process, with a clock around its parts.

CPU time of each thread, not wall: what a thread waits for (network, disk, the GIL) is in none of
the figures. Nothing in worker/ knows of it.
"""

import os
import sys
import threading
import time
from collections.abc import Mapping

import click
from rich.console import Console
from rich.table import Table

import worker.core.batch
import worker.process
import worker.sqs.queue
from bench.clock import Clock, Part
from bench.findings import Profile, Row
from bench.parts import FOLDER, keep
from bench.places import OUT, USERS, Unfit, claimed, environment, find_node
from bench.postgresql import running_postgresql
from bench.stores import SqliteBenchStore
from bench.stub import running_stub
from worker.commands.drain import Limits, drain
from worker.consumer import Consumer
from worker.consumer.polling import Poller
from worker.consumer.settling import Settler
from worker.consumer.writing import Writer
from worker.core.unit_of_work import UnitOfWork
from worker.observability.log import configure_logging
from worker.observability.metrics import Metrics
from worker.observability.telemetry import Telemetry
from worker.settings.loading import load_settings
from worker.sqs.queue import Queue
from worker.store.postgresql import PostgresqlStore
from worker.store.postgresql.transaction import PostgresqlTransaction
from worker.store.sqlite import SqliteStore
from worker.store.sqlite.transaction import SqliteTransaction

PARTS = (
    "receive", "receive: Received", "pollers: rest",
    "decode", "unit of work", "process: rest",
    "store: begin", "store: users", "store: known_keys", "store: save", "store: commit",
    "report: metrics", "report: log lines", "writer: rest",
    "delete", "settlers: rest",
    "main thread",
)  # fmt: skip


class _Span:
    """The process's CPU from the start of the loops to their end."""

    def __init__(self) -> None:
        self.seconds = 0.0
        start, finish = Consumer.start, Consumer.finish

        def started(consumer: Consumer) -> None:
            self.seconds -= time.process_time()
            start(consumer)

        def finished(consumer: Consumer, hurry: threading.Event | None = None) -> bool:
            done = finish(consumer, hurry)
            self.seconds += time.process_time()
            return done

        # By name: to mypy a method and the function in its place differ.
        setattr(Consumer, "start", started)  # noqa: B010 see above
        setattr(Consumer, "finish", finished)  # noqa: B010 see above


def wrap_everything(clock: Clock) -> None:
    """Put the clock around every function that a message passes through."""
    clock.wrap(Queue, "receive", "receive")
    clock.wrap(worker.sqs.queue, "as_received", "receive: Received")
    clock.wrap(Queue, "delete", "delete")
    clock.wrap(Poller, "run", "pollers: rest")
    clock.wrap(Writer, "write", "writer: rest")
    clock.wrap(Settler, "settle", "settlers: rest")
    clock.wrap(worker.process, "_commit", "process: rest")
    clock.wrap(worker.core.batch, "decode", "decode")
    clock.wrap(UnitOfWork, "__init__", "unit of work")
    clock.wrap(UnitOfWork, "decide_message", "unit of work")
    clock.wrap(Metrics, "count", "report: metrics")
    clock.wrap(Telemetry, "report", "report: log lines")
    for store in (SqliteStore, PostgresqlStore):
        clock.wrap_manager(store, "transaction", "store: begin", "store: commit")
    for transaction in (SqliteTransaction, PostgresqlTransaction):
        for name in ("users", "known_keys", "save"):
            clock.wrap(transaction, name, f"store: {name}")


@click.command()
@click.option("--messages", type=click.IntRange(min=100, max=USERS), default=10_000)
@click.option("--store", type=click.Choice(["sqlite", "postgresql"]), default="sqlite")
@click.option("--delay", type=click.IntRange(min=0), default=0, help="Milliseconds.")
def main(messages: int, store: str, delay: int) -> None:
    """Drain a queue in this process and show where the time has gone."""
    clock, span = Clock(), _Span()
    wrap_everything(clock)
    try:
        with claimed(), running_stub(find_node()) as stub:
            surroundings = environment(stub.endpoint)
            surroundings["SES_WORKER_QUEUE__URL"] = stub.queue_url("profile")
            surroundings["SES_WORKER_SLACK__WEBHOOK_URL"] = stub.slack_url
            stub.load("profile", messages)
            stub.delay(delay)
            if store == "sqlite":
                _drain(surroundings, SqliteBenchStore(surroundings).fresh(), messages)
            else:
                with running_postgresql(surroundings) as bench_store:
                    _drain(surroundings, bench_store.fresh(), messages)
    except Unfit as error:
        sys.exit(str(error))
    parts = clock.parts()
    whole = span.seconds - clock.overhead_seconds
    in_threads = sum(part.seconds for part in parts.values())
    parts["main thread"] = Part(seconds=max(0.0, whole - in_threads))
    profile = _profile(parts, messages, f"{store}, {messages:,} messages, {delay} ms")
    keep("profile", profile)
    show(profile)


def _drain(surroundings: Mapping[str, str], store_url: str, messages: int) -> None:
    folder = {name: value for name, value in os.environ.items() if name == FOLDER}
    os.environ.clear()
    os.environ.update({**surroundings, **folder, "SES_WORKER_STORE__URL": store_url})
    with (OUT / "profile.log").open("w", buffering=1) as log:  # as stderr is: line by line
        configure_logging("info", json=True, stream=log)
        drained = drain(load_settings(os.environ), Limits(messages=messages))
    if drained.failure or drained.counters.as_dict()["applied"] != messages:
        sys.exit(f"not all applied: {drained}")


def _profile(parts: Mapping[str, Part], messages: int, title: str) -> Profile:
    total = sum(part.seconds for part in parts.values())
    chosen = [(name, parts.get(name, Part())) for name in PARTS]
    rows = [
        Row(
            name=name,
            calls=part.calls,
            us=part.seconds / messages * 1e6,
            share=part.seconds / total,
        )
        for name, part in chosen
    ]
    return Profile(title=title, rows=rows)


def show(profile: Profile) -> None:
    """Print a table."""
    table = Table(title=f"CPU of a message: {profile.title}")
    table.add_column("part")
    for name in ("calls", "us a message", "share"):
        table.add_column(name, justify="right")
    for row in profile.rows:
        table.add_row(row.name, f"{row.calls:,}", f"{row.us:,.1f}", f"{row.share:.1%}")
    table.add_section()
    table.add_row("all", "", f"{profile.us:,.1f}", "100.0%")
    Console().print(table)


if __name__ == "__main__":
    main()
