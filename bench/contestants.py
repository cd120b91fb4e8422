"""What is compared: the worker in several arrangements, and scripts such as the floor."""

import json
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from bench import yardstick
from bench.attempts import STARTUP_MESSAGES, Attempt, Job, Watch, check, without_startup
from bench.drains import drain
from bench.places import OUT, ROOT, environment
from bench.processes import run_together
from bench.stores import BenchStore
from bench.stub import Stub

_numbers = count()


class Contestant(Protocol):
    """A program that takes messages from a queue to a database."""

    name: str
    what: str
    """A line for people."""

    def attempt(self, stub: Stub, messages: int) -> Attempt:
        """Do it once with a fresh database, and check the result."""


class Script:
    """A script that measures its own loop, and writes what `yardstick` writes."""

    def __init__(
        self, name: str, what: str, command: Sequence[str], template: Path, **more: str
    ) -> None:
        self.name = name
        self.what = what
        self._command = command
        self._template = template
        self._more = more

    def attempt(self, stub: Stub, messages: int) -> Attempt:
        """Run it once."""
        path = yardstick.copy(self._template, OUT / "floor.db")
        job = Job(queue=_new_queue(stub, self.name, messages), messages=messages)
        command = [*self._command, stub.queue_url(job.queue), str(path), str(messages)]
        watch = Watch(stub, job)
        (finished,) = run_together([command], _surroundings(stub) | self._more, OUT / self.name)
        attempt = watch.attempt(finished.cpu_seconds)
        check(stub, job, yardstick.counts(path))
        own = float(json.loads(finished.output.splitlines()[-1])["cpu_seconds"])
        return replace(attempt, cpu_seconds=own, startup_cpu_seconds=finished.cpu_seconds - own)


class Worker:
    """`ses-worker drain` with default settings: some processes on a queue and a database."""

    def __init__(self, store: BenchStore, processes: int = 1, client: str = "lean") -> None:
        self.name = f"worker-{store.name}-{processes}"
        many = "one process" if processes == 1 else f"{processes} processes"
        self.what = f"ses-worker drain, {many}, {store.title}"
        if client != "lean":
            self.name += f"-{client}"
            self.what += f", queue.client = {client}"
        self._store = store
        self._processes = processes
        self._client = client

    def attempt(self, stub: Stub, messages: int) -> Attempt:
        """Drain a few messages, then all; the difference is the loop."""
        startup = self.drain(stub, STARTUP_MESSAGES, self._store, processes=1)
        whole = self.drain(stub, messages, self._store, self._processes)
        return without_startup(whole, startup, self._processes)

    def drain(self, stub: Stub, messages: int, store: BenchStore, processes: int = 1) -> Attempt:
        """Drain once into a fresh store; notices to Slack stay in the outbox."""
        job = Job(queue=_new_queue(stub, self.name, messages), messages=messages)
        attempt = drain(stub, job, store.fresh(), processes, self._client, store.cpu_seconds)
        check(stub, job, store.counts())
        return attempt


def make_floor(template: Path) -> Script:
    """Make the floor: one thread of plain boto3."""
    command = [sys.executable, "-m", "bench.floor"]
    return Script("floor1", "one thread of plain boto3 and sqlite3, no log", command, template)


def _surroundings(stub: Stub) -> dict[str, str]:
    return environment(stub.endpoint, PYTHONPATH=str(ROOT))


def _new_queue(stub: Stub, name: str, messages: int) -> str:
    queue = f"{name}-{next(_numbers)}"
    stub.load(queue, messages)
    return queue
