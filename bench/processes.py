"""Commands with a time limit, and what the processor gave each of them."""

import os
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.places import ROOT, RUN_SECONDS


class Failed(Exception):
    """A command ended with a status that it must not have, or took too long."""


class Finished(NamedTuple):
    """How a command went."""

    cpu_seconds: float
    """User and system, of the process and of the children it waited for."""
    output: str


def run_together(
    commands: Sequence[Sequence[str]],
    surroundings: Mapping[str, str],
    folder: Path,
    seconds: float = RUN_SECONDS,
    good: Collection[int] = (0,),
) -> list[Finished]:
    """Run commands side by side; their outputs and logs are files in `folder`.

    `good` are the statuses that they may end with.

    Raises:
        Failed: with the end of the log.

    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        running = [
            stack.enter_context(_started(command, surroundings, folder / f"{number}"))
            for number, command in enumerate(commands)
        ]
        deadline = time.monotonic() + seconds
        return [
            _wait(process, deadline, folder / f"{number}", good)
            for number, process in enumerate(running)
        ]


@contextmanager
def _started(
    command: Sequence[str], surroundings: Mapping[str, str], stem: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with stem.with_suffix(".out").open("wb") as output, stem.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=dict(surroundings),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def _wait(
    process: subprocess.Popen[bytes], deadline: float, stem: Path, good: Collection[int]
) -> Finished:
    while True:
        # Not Popen.wait: only wait4 tells what this one process used.
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            raise Failed(f"took too long: {process.args!r}")
        time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in good:
        last_words = stem.with_suffix(".log").read_text(errors="replace")[-1_000:]
        raise Failed(f"status {process.returncode}: {process.args!r}\n{last_words}")
    output = stem.with_suffix(".out").read_text()
    return Finished(usage.ru_utime + usage.ru_stime, output)
