"""The real `ses-worker` in a process of its own, and its log as it is written."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from worker.core.errors import Refused

START_SECONDS = 20.0
STOP_SECONDS = 20.0

LogLine = Mapping[str, Any]

_WORKER = """
import ctypes, runpy, signal
if prctl := getattr(ctypes.CDLL(None), "prctl", None):
    prctl(1, signal.SIGKILL)
runpy.run_module("worker", run_name="__main__", alter_sys=True)
"""
"""`python -m worker`; Linux kills it (PR_SET_PDEATHSIG) if the demo itself is killed."""


def command(*arguments: str) -> list[str]:
    """Return the command line of `ses-worker` with these arguments."""
    return [sys.executable, "-c", _WORKER, *arguments]


@contextmanager
def daemon(folder: Path, environment: Mapping[str, str], settings: Path) -> Iterator["Daemon"]:
    """Run `ses-worker run` for the length of the block; afterwards the process is gone."""
    with subprocess.Popen(  # noqa: S603 our own command
        command("run", "--config", str(settings)),
        cwd=folder,
        env={**environment, "CALLED_AS": "ses-worker"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # the terminal's Ctrl-C is for the demo
    ) as process:
        running = Daemon(process)
        try:
            yield running
        finally:
            process.kill()
            running.reader.join()


class Daemon:
    """The process of the worker, and its log so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._unread: SimpleQueue[LogLine] = SimpleQueue()
        self.log: list[LogLine] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def new_lines(self, seconds: float) -> Iterator[LogLine]:
        """Yield new lines of the log, for so many seconds."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._unread.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                return
            self.log.append(line)
            yield line

    def await_start(self) -> None:
        """Wait until the worker has started.

        Raises:
            Refused: it exited instead, or logged no start in time.

        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.status is None:
            if any(line["event"] == "worker.started" for line in self.new_lines(0.02)):
                return
        output = "\n".join(str(line["event"]) for line in [*self.log, *self.new_lines(0.2)][-5:])
        raise Refused(f"the daemon did not start (status {self.status}):\n{output}")

    def stop(self) -> Iterator[LogLine]:
        """Stop the worker with SIGTERM; yield lines of the log until it has exited."""
        self._process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while self.status is None and time.monotonic() < deadline:
            yield from self.new_lines(0.05)
        self.reader.join(1)
        yield from self.new_lines(0)

    def _read(self) -> None:
        for text in self._process.stderr or ():
            try:
                parsed = json.loads(text)
            except ValueError:
                parsed = None
            is_event = isinstance(parsed, dict) and "event" in parsed
            self._unread.put(parsed if is_event else {"event": text.rstrip("\n")})
