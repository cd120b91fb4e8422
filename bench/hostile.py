"""Measure whether hostile messages delay, stop or spoil anything that good messages need.

    python -m bench.hostile [--messages 50000] [--workers 3] [--store postgresql]

Some `ses-worker run` processes on one queue of the SQS simulator: good messages alone first, then
with a hostile message of each kind (`tests/support/hostile.py`) among every hundred. The queue
is kept short, so that a good message waits for the workers alone. Slack is notified. Exit 1 if a
good message is lost, spoilt or late, a worker ends, or a hostile message is in a wrong place.
"""

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bench.places import ROOT
from bench.processes import resident_mb

sys.path.insert(0, str(ROOT / "tests"))

from chaos.__main__ import STORES, database
from chaos.plan import Schedule
from chaos.play import is_gone, is_quiet
from chaos.processes import Worker
from chaos.stage import DEAD_LETTERS, QUEUE, Stage
from oracles import Finding, once, places
from support.hostile import KINDS, bodies

from simulators.sqs import Deletion, Sending

SHORTEST_BACKLOG = 60
"""The most messages on the queue when a good message is sent."""
WARMING_UP = 100
"""Good messages that are not timed, while the workers start."""
TAKE_SECONDS = 2.0
"""Between two times that the emulator's journal, which holds all bodies, is emptied."""
CALM_SHARE = 0.1
LATE_SECONDS = 5.0
"""More than the median of the good ones without hostile ones beside them."""
EMPTY_SECONDS = 300.0


class Clock:
    """When each good message came and was deleted, which it is after its commit."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._sent: dict[str, float] = {}
        self.hostile_have_come = False
        self.calm: list[float] = []
        self.beside_hostile: list[float] = []
        stage.emulator.on_send(self._sending)
        stage.emulator.on_delete(self._deleting)

    def _sending(self, sending: Sending) -> None:
        if sending.queue == QUEUE and not self._stage.published.is_hostile(sending.body):
            self._sent[sending.message_id] = time.monotonic()

    def _deleting(self, deletion: Deletion) -> None:
        if (sent := self._sent.pop(deletion.message_id, None)) is not None:
            took = time.monotonic() - sent
            (self.beside_hostile if self.hostile_have_come else self.calm).append(took)

    @property
    def late(self) -> int:
        """Good messages that took so much longer than they do without hostile ones."""
        longest = statistics.median(self.calm or [0.0]) + LATE_SECONDS
        return sum(took > longest for took in self.beside_hostile)


class Run:
    """The workers, and what is sent to them."""

    def __init__(self, stage: Stage, workers: int, only: str) -> None:
        self.stage = stage
        self.clock = Clock(stage)
        self.workers = [stage.start(f"run-{n}", "run", None) for n in range(workers)]
        self._hostile = bodies(stage.schedule.seed, only)
        self._round = sum(only in kind.name for kind in KINDS)
        self._taken = time.monotonic()

    def send(self, messages: int, every: int, *, sequential: bool) -> None:
        """Send so many good messages, and after `every` of them the hostile ones."""
        for number, body in enumerate(self.stage.mailbox.take(messages), 1):
            self._await_room()
            self.stage.send(body)
            if every and number % every == 0:
                self.clock.hostile_have_come = True
                for _ in range(1 if sequential else self._round):
                    self._await_room()
                    self.stage.send_hostile(next(self._hostile))

    def await_empty(self) -> None:
        """Wait until all is off the queue."""
        deadline = time.monotonic() + EMPTY_SECONDS
        while any(self.stage.emulator.counts(QUEUE)):
            self._forget()
            if time.monotonic() > deadline:
                left = self.stage.emulator.counts(QUEUE)
                self.stage.findings.append(Finding("I9", f"after {EMPTY_SECONDS:g} s: {left}"))
                return
            time.sleep(0.05)

    def _await_room(self) -> None:
        self._forget()
        deadline = time.monotonic() + EMPTY_SECONDS
        while sum(self.stage.emulator.counts(QUEUE)) > SHORTEST_BACKLOG:
            if time.monotonic() > deadline or not any(worker.running for worker in self.workers):
                sys.exit(f"nothing gets on: {self.stage.emulator.counts(QUEUE)} on the queue")
            time.sleep(0.005)

    def _forget(self) -> None:
        if time.monotonic() - self._taken > TAKE_SECONDS:
            self.stage.emulator.journal.clear()
            self._taken = time.monotonic()


@click.command()
@click.option("--messages", type=click.IntRange(min=100), default=50_000, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--store", type=click.Choice(STORES), default="sqlite", show_default=True)
@click.option("--every", type=click.IntRange(min=1), default=100, show_default=True)
@click.option(
    "--sequential", is_flag=True, help="A single hostile message at a time, not all kinds together."
)
@click.option("--only", default="", help="Hostile kinds that have this in their name.")
@click.option("--seed", type=int, help="Of the good messages; drawn and printed if not given.")
@click.option("--json", "as_json", is_flag=True)
def main(
    *,
    messages: int,
    workers: int,
    store: str,
    every: int,
    sequential: bool,
    only: str,
    seed: int | None,
    as_json: bool,
) -> None:
    """Send good messages and hostile ones, and look what became of the good ones."""
    seed = random.randrange(1_000_000) if seed is None else seed
    schedule = Schedule(
        seed=seed,
        store=store,
        messages=messages,
        users=2_000,
        slack=True,
        quiet=0.97,
        receive_seconds=0,
        log_level="warning",
    )
    began = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="ses-worker-hostile-") as folder,
        database(store, Path(folder)) as url,
        Stage(schedule, Path(folder), url) as stage,
    ):
        run = Run(stage, workers, only)
        run.send(WARMING_UP, 0, sequential=sequential)
        run.await_empty()
        run.clock.calm.clear()
        calm = int(messages * CALM_SHARE)
        run.send(calm, 0, sequential=sequential)
        run.await_empty()
        run.send(messages - calm, every, sequential=sequential)
        run.await_empty()
        found = _figures(run, _end(run), time.monotonic() - began)
    _show({"seed": seed, "store": store, "workers": workers} | found, as_json=as_json)
    sys.exit(1 if found["findings"] or found["late"] or found["ended_early"] else 0)


def _end(run: Run) -> dict[str, Any]:
    """Return the workers' memory, end them, and ask the oracles."""
    stage = run.stage
    early = [worker for worker in run.workers if not worker.running]
    memory = [_most_megabytes(worker) for worker in run.workers if worker.running]
    for worker in run.workers:
        worker.ask_to_leave()
    for worker in run.workers:
        stage.findings += worker.end()
    unknown_rows = stage.published.take_stock(stage.database.events())
    found = stage.places = places.look(
        stage.published, stage.database, stage.emulator, QUEUE, DEAD_LETTERS
    )
    stage.findings += found.findings
    if found.redriven:
        stage.findings.append(Finding("I1", f"{found.redriven} messages were moved by SQS"))
    stage.findings += once.twice(stage.published, unknown_rows)
    stage.findings += once.counts(stage.published, stage.database, everybody=False)
    stage.findings += once.expected_effects(
        stage.published, stage.database, quiet=is_quiet, removed=is_gone
    )
    return {
        "ended_early": len(early),
        "most_mb": memory,
        "good": stage.published.sent - found.hostile,
        "events": len(stage.published.events),
        "applied": found.applied,
        "hostile": found.hostile,
        "lost": found.lost,
    }


def _figures(run: Run, ended: dict[str, Any], seconds: float) -> dict[str, Any]:
    findings = [*run.stage.findings, *run.stage.observer.findings]
    return ended | {
        "calm_seconds": _spread(run.clock.calm),
        "beside_hostile_seconds": _spread(run.clock.beside_hostile),
        "late": run.clock.late,
        "seconds": round(seconds, 1),
        "findings": [str(finding) for finding in findings],
    }


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds) or [0.0]
    shares = {"median": 0.5, "p99": 0.99, "p99.9": 0.999, "most": 1.0}
    last = len(ordered) - 1
    return {name: round(ordered[int(last * share)], 3) for name, share in shares.items()}


def _most_megabytes(worker: Worker) -> float:
    return round(resident_mb(worker.process, "VmHWM"), 1)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if name == "findings":
            print(f"{name:24}{len(value)}", *value[:20], sep="\n  ")
        else:
            print(f"{name.replace('_', ' '):24}{value}")


if __name__ == "__main__":
    main()
