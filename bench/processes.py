"""Commands with a time limit, and the CPU time of each."""

import os
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.places import ROOT, RUN_SECONDS

_SCHEDULED = 2
"""CPUCLOCK_SCHED of Linux: the clock that clock_getcpuclockid(3) makes of a process id."""


class Failed(Exception):
    """A command ended with a wrong status, or took too long."""


class Finished(NamedTuple):
    """How a command ended."""

    cpu_seconds: float
    """User and system time of the process and of the children it waited for."""
    output: str


def run_together(
    commands: Sequence[Sequence[str]],
    surroundings: Mapping[str, str],
    folder: Path,
    seconds: float = RUN_SECONDS,
    good: Collection[int] = (0,),
) -> list[Finished]:
    """Run commands side by side; their outputs and logs are files in `folder`.

    `good` are the exit statuses that are right.

    Raises:
        Failed: with the end of the log.

    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        running = [
            stack.enter_context(started(command, surroundings, folder / f"{number}"))
            for number, command in enumerate(commands)
        ]
        deadline = time.monotonic() + seconds
        return [
            ended(process, deadline, folder / f"{number}", good)
            for number, process in enumerate(running)
        ]


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """User and system time of a running process without its children, finer than a tick."""
    return time.clock_gettime((~process.pid << 3) | _SCHEDULED)


def resident_mb(process: subprocess.Popen[bytes], what: str = "VmRSS") -> float:
    """Resident memory of a process in MiB: now, or with `VmHWM` the most it had."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith(what + ":"))
    return int(found.split()[1]) / 1024


@contextmanager
def started(
    command: Sequence[str], surroundings: Mapping[str, str], stem: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command for the block; its output and log go to files beside each other."""
    stem.parent.mkdir(parents=True, exist_ok=True)
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


def ended(
    process: subprocess.Popen[bytes], deadline: float, stem: Path, good: Collection[int] = (0,)
) -> Finished:
    """Wait for its end.

    Raises:
        Failed: it took too long, or ended with another status.

    """
    while True:
        # Not Popen.wait: only wait4 returns the CPU time of a single process.
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            raise Failed(f"took too long: {process.args!r}")
        time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in good:
        end_of_log = stem.with_suffix(".log").read_text(errors="replace")[-1_000:]
        raise Failed(f"status {process.returncode}: {process.args!r}\n{end_of_log}")
    output = stem.with_suffix(".out").read_text()
    return Finished(usage.ru_utime + usage.ru_stime, output)
