"""The real `ses-worker` in processes of its own, and its log as it is written."""

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
Surroundings = Mapping[str, str]


@contextmanager
def daemon(folder: Path, surroundings: Surroundings, settings: Path) -> Iterator["Daemon"]:
    """Run `ses-worker run` for as long as the block lasts; whatever happens, it ends with it."""
    running = Daemon(_start(folder, surroundings, "run", "--config", str(settings)))
    try:
        yield running
    finally:
        running.kill()


def run_once(folder: Path, surroundings: Surroundings, *arguments: str) -> str:
    """Run another of its commands to the end; return what it says.

    Raises:
        Refused: it failed.

    """
    process = _start(folder, surroundings, *arguments)
    try:
        output, complained = process.communicate(timeout=START_SECONDS)
    finally:
        process.kill()
    if process.returncode:
        raise Refused(f"ses-worker {' '.join(arguments)} failed:\n{complained}")
    return output.strip()


def _start(folder: Path, surroundings: Surroundings, *arguments: str) -> subprocess.Popen[str]:
    """Start `ses-worker` with these arguments, deaf to the terminal's Ctrl-C."""
    return subprocess.Popen(  # noqa: S603 our own command
        [sys.executable, "-m", "worker", *arguments],
        cwd=folder,
        env=dict(surroundings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )


class Daemon:
    """The process, and its log so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._unread: SimpleQueue[LogLine] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.pid = process.pid
        self.log: list[LogLine] = []

    def news(self, wait_seconds: float) -> Iterator[LogLine]:
        """Yield what is new in its log, until the time is over."""
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                line = self._unread.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                return
            self.log.append(line)
            yield line

    def await_start(self) -> None:
        """Wait until it has begun to work.

        Raises:
            Refused: it has left instead, or says nothing.

        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if any(line["event"] == "worker.started" for line in self.news(0.02)):
                return
        output = "\n".join(str(line["event"]) for line in [*self.log, *self.news(0.2)][-5:])
        raise Refused(f"the daemon did not start (status {self._process.poll()}):\n{output}")

    def stop(self) -> Iterator[LogLine]:
        """Ask it to stop with SIGTERM, and yield what it says until it has left."""
        self._process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            yield from self.news(0.05)
        self._reader.join(1)
        yield from self.news(0)

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def kill(self) -> None:
        """Have it gone."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join(1)
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()

    def _read(self) -> None:
        for text in self._process.stderr or ():
            self._unread.put(_parsed(text.rstrip("\n")))


def _parsed(text: str) -> LogLine:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) and "event" in found else {"event": text}
