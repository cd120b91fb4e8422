"""A checkout of this project, whose worker drains queues of the stub for `bench.pair`."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from bench import yardstick
from bench.attempts import Job, check
from bench.counting import Counter, start_perf, valgrind_command, valgrind_count
from bench.places import OUT, RUN_SECONDS, USERS, Unfit, environment
from bench.processes import Failed, cpu_seconds, ended, run_together, started
from bench.stores import COUNTS, email
from bench.stub import Stub

WARM_SHARE = 0.2
"""Share of the messages that are deleted before perf or the CPU clock counts."""
SHORT_SHARE = 0.2
"""Length of the short queue, whose count valgrind's is compared with, as a share of the long."""
VALGRIND_SECONDS = 900
"""A run under valgrind may take this long."""
_DRAINED = (0, 4)
"""Exit statuses of a drain: it reached its number of messages, or was stopped."""


class Cost(Struct, frozen=True):
    """What a message cost, as far as it was counted."""

    cpu_us: float | None = None
    instructions: float | None = None


class Checkout:
    """One checkout, run with this environment's Python and packages."""

    def __init__(self, name: str, tree: Path, stub: Stub) -> None:
        self.name = name
        self._tree = tree.resolve()
        self._stub = stub
        self._folder = OUT / f"pair-{name}"
        self._template, self._path = OUT / f"pair-{name}.db", OUT / f"pair-{name}-run.db"
        self._command = [sys.executable, "-P", "-m", "worker"]
        # Hashes differ from run to run otherwise, and with them the work of dicts and sets.
        more = {"PYTHONPATH": str(self._tree), "PYTHONHASHSEED": "0"}
        self._surroundings = environment(stub.endpoint, **more)
        self._assert_its_own_code_runs()
        self._import_users()

    def drain(self, queue: str, messages: int, *, seed: str, slack: bool, counter: Counter) -> Cost:
        """Drain a queue once or, for valgrind, a short and a long one; the seed makes the messages.

        Raises:
            Failed, Wrong: it did not work, or the store is not right afterwards.

        """
        if counter is not Counter.VALGRIND:
            return self._drain_running(queue, messages, seed=seed, slack=slack, counter=counter)
        few = int(messages * SHORT_SHARE)
        short, long = (
            self._drain_under_valgrind(f"{queue}-{count}", count, seed=seed, slack=slack)
            for count in (few, messages)
        )
        return Cost(instructions=(long - short) / (messages - few))

    def _drain_running(
        self, queue: str, messages: int, *, seed: str, slack: bool, counter: Counter
    ) -> Cost:
        self._stub.load(queue, messages, seed)
        with self._draining(queue, messages, slack=slack) as process:
            self._await(process, queue, int(messages * WARM_SHARE))
            # The stub answers at once, and by now a few more are deleted than were awaited.
            first, began = self._stub.stats(queue).deleted, cpu_seconds(process)
            stop = start_perf(process.pid) if counter is Counter.PERF else None
            self._await(process, queue, messages)
            used = cpu_seconds(process) - began
            instructions = stop() if stop else None
        self._check(queue, messages)
        paid = messages - first
        return Cost(used / paid * 1e6, None if instructions is None else instructions / paid)

    def _drain_under_valgrind(self, queue: str, messages: int, *, seed: str, slack: bool) -> int:
        self._stub.load(queue, messages, seed)
        log = self._folder / "valgrind.log"
        before = valgrind_command(log)
        with self._draining(queue, messages, slack=slack, before=before) as process:
            self._await(process, queue, messages, VALGRIND_SECONDS)
        self._check(queue, messages)
        return valgrind_count(log)

    @contextmanager
    def _draining(
        self, queue: str, messages: int, *, slack: bool, before: Sequence[str] = ()
    ) -> Iterator[subprocess.Popen[bytes]]:
        url = f"sqlite:///{yardstick.copy(self._template, self._path)}"
        surroundings = self._surroundings | {
            "SES_WORKER_QUEUE__URL": self._stub.queue_url(queue),
            "SES_WORKER_STORE__URL": url,
            **({"SES_WORKER_SLACK__WEBHOOK_URL": self._stub.slack_url} if slack else {}),
        }
        command = [*before, *self._command, "drain", "--max-messages", str(messages), "--json"]
        stem = self._folder / "drain"
        with started(command, surroundings, stem) as process:
            yield process
            process.send_signal(signal.SIGTERM)
            ended(process, time.monotonic() + RUN_SECONDS, stem, _DRAINED)

    def _await(
        self,
        process: subprocess.Popen[bytes],
        queue: str,
        deleted: int,
        seconds: float = RUN_SECONDS,
    ) -> None:
        deadline = time.monotonic() + seconds
        while not self._stub.has(queue, deleted=deleted):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{self.name}: {queue} is not drained; status {process.returncode}")

    def _check(self, queue: str, messages: int) -> None:
        with closing(sqlite3.connect(self._path)) as connection:
            events, counted = connection.execute(COUNTS).fetchone()
        check(self._stub, Job(queue=queue, messages=messages), (events, counted))

    def _import_users(self) -> None:
        self._template.unlink(missing_ok=True)
        users = OUT / f"pair-{self.name}-users.csv"
        users.write_text("email\n" + "".join(f"{email(number)}\n" for number in range(USERS)))
        surroundings = self._surroundings | {"SES_WORKER_STORE__URL": f"sqlite:///{self._template}"}
        command = [*self._command, "users", "import", str(users)]
        # A first run would otherwise compile what later ones find compiled.
        compile_all = [sys.executable, "-m", "compileall", "-q", str(self._tree / "worker")]
        run_together([compile_all], surroundings, self._folder)
        run_together([command], surroundings, self._folder)

    def _assert_its_own_code_runs(self) -> None:
        where = "import worker; print(worker.__file__)"
        output = subprocess.check_output(
            [sys.executable, "-P", "-c", where], env=self._surroundings, text=True, timeout=60
        )
        if Path(output.strip()).parents[1] != self._tree:
            raise Unfit(f"{self._tree} has no package named worker: {output.strip()} would run")
