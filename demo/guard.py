"""Nothing outlives the demo: not the daemon, not the folder, however the demo ends.

A `finally` sees to that, and signals become exceptions so that it can. Against SIGKILL there is
a second process, this module run by itself. It reads a pipe that only the demo holds: an end of
file without the word of dismissal means that the demo is gone.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

DISMISSED = "dismissed"


class Guard:
    """The demo's end of the pipe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(  # noqa: S603 our own module
            [sys.executable, "-m", "demo.guard", str(folder)],
            cwd=folder,
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the demo
        )

    def watch(self, pid: int) -> None:
        """Name a process that must not outlive us."""
        self._write(f"{pid}\n")

    def dismiss(self) -> None:
        """Let it go, for all is cleared away."""
        self._write(DISMISSED)
        with suppress(OSError, subprocess.TimeoutExpired):
            self._process.communicate(timeout=10)

    def _write(self, word: str) -> None:
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.write(word)
                self._process.stdin.flush()


@contextmanager
def guarded_folder() -> Iterator[Guard]:
    """Make a folder that is gone after the block, and so are the processes named to the guard."""
    with tempfile.TemporaryDirectory(prefix="ses-worker-demo-") as name:
        guard = Guard(Path(name))
        try:
            yield guard
        finally:
            shutil.rmtree(name, ignore_errors=True)
            if not guard.folder.exists():
                guard.dismiss()


@contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, and leave the handlers as they were."""

    def leave(number: int, _: FrameType | None) -> None:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(folder: str) -> None:
    """Wait for the demo to end; clear up behind it if it could not."""
    words = sys.stdin.read().split()
    if words[-1:] == [DISMISSED]:
        return
    for pid in words:
        with suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
