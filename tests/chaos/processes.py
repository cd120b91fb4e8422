"""Workers as processes: the real command, started, killed, suspended and checked at its end."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from oracles.findings import Finding
from oracles.processes import Footprint, footprint, unbounded

COMMAND = Path(sys.executable).with_name("ses-worker")
TESTS = Path(__file__).parents[1]
FIRED = "a scripted failure has come"
"""What `acceptance/failing.py` says when it has failed."""
LONGEST_STOP_SECONDS = 50.0
"""The README promises 45, whatever hangs."""


class Worker:
    """A process; `failure` is what was planted in it: a point of `failing.py` and an action."""

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
        folder: Path,
        *,
        broken: str | None = None,
        failure: tuple[str, str] | None = None,
    ) -> None:
        self.name = name
        self.killed = False
        self.ended_at = float("inf")
        """`time.monotonic()`, to the moment."""
        self.footprint: Footprint | None = None
        self._failure = failure
        self._command = arguments[0]
        self._out, self._log = folder / f"{name}.out", folder / f"{name}.log"
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*_command(broken, failure), *arguments],
                env={
                    **environment,
                    "PYTHONPATH": f"{TESTS}:{TESTS / 'acceptance'}",
                    "AWS_ACCESS_KEY_ID": name,
                },
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )

        threading.Thread(target=self._await_its_end, daemon=True).start()

    @property
    def running(self) -> bool:
        """It has not ended."""
        return self.process.poll() is None

    @property
    def out(self) -> str:
        """What it has printed."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def crashed(self) -> bool:
        """It was killed, by us or by itself."""
        return self.process.poll() == -signal.SIGKILL

    def kill(self) -> bool:
        """kill -9; return whether it was running."""
        if not self.running:
            return False
        self.killed = True
        self.process.kill()
        self.process.wait()
        return True

    def freeze(self) -> None:
        """Suspend it, as a machine is."""
        if self.running:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, as if nothing had been."""
        if self.running:
            self.process.send_signal(signal.SIGCONT)

    def watch(self) -> None:
        """Look at its threads and descriptors; the most of each is kept."""
        if self.running and (now := footprint(self.process.pid)):
            self.footprint = Footprint(*map(max, now, self.footprint or now))

    def ask_to_leave(self) -> None:
        """SIGTERM."""
        self.watch()
        if self.running:
            self.process.terminate()

    def end(self) -> list[Finding]:
        """Wait for its end, and report what is wrong with it."""
        try:
            status = self.process.wait(LONGEST_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            return [Finding("I9", f"{self.name} was stopped by a signal, and still runs")]
        found = list(unbounded(self.name, self.footprint)) if self.footprint else []
        if status not in self._good and not self.killed:
            found.append(Finding("I9", f"{self.name} has ended with {status}: {self.log[-600:]}"))
        return found

    @property
    def _good(self) -> set[int]:
        """With what it may end. A drain gives up where others wait, and says so."""
        if self.thread_has_died:
            return {1}
        killed = {-signal.SIGKILL} if self._failure else set()
        if self._command == "drain" or not self.log:
            killed.add(-signal.SIGTERM)  # the signal came before it listened, or when it was done
        return killed | ({0} if self._command == "run" else {0, 1, 3, 4})

    def _await_its_end(self) -> None:
        self.process.wait()
        self.ended_at = time.monotonic()

    @property
    def thread_has_died(self) -> bool:
        """By a planted failure, as this script knows, not the program's log."""
        return self._failure is not None and self._failure[1] == "raise" and FIRED in self.log


def _command(broken: str | None, failure: tuple[str, str] | None) -> list[str]:
    if broken:
        return [sys.executable, "-m", "broken", broken, *(failure or ()), "--"]
    if failure:
        return [sys.executable, str(TESTS / "acceptance" / "failing.py"), *failure, "--"]
    return [str(COMMAND)]


def wait_for_all(workers: list[Worker], seconds: float) -> None:
    """Give them time to end by themselves."""
    deadline = time.monotonic() + seconds
    while any(worker.running for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.02)
