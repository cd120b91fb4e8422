"""Commands with a time limit, and what the processor gave each of them."""

import os
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.machine import TICK
from bench.places import ROOT, RUN_SECONDS

_SCHEDULED = 2
"""CPUCLOCK_SCHED of Linux: what clock_getcpuclockid(3) makes of a process id."""


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
            stack.enter_context(started(command, surroundings, folder / f"{number}"))
            for number, command in enumerate(commands)
        ]
        deadline = time.monotonic() + seconds
        return [
            ended(process, deadline, folder / f"{number}", good)
            for number, process in enumerate(running)
        ]


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    """User and system of a process that runs, by its own clock: no ticks. Without children."""
    return time.clock_gettime((~process.pid << 3) | _SCHEDULED)


class Usage(NamedTuple):
    """What processes that run have used so far."""

    cpu_seconds: float = 0.0
    system_seconds: float = 0.0
    """Of that, in the system: by its own reckoning, rounded to ticks."""
    disk_read: int = 0
    disk_written: int = 0
    """Bytes as the system charges them: by whole folios of its cache, which may be large."""
    passed: int = 0
    """Bytes in all calls of write: store, log and sockets."""


def usage(processes: Iterable[subprocess.Popen[bytes]]) -> Usage:
    """Add up what they have used."""
    return Usage(*map(sum, zip(*map(_usage, processes), strict=True)))


def _usage(process: subprocess.Popen[bytes]) -> Usage:
    folder = Path(f"/proc/{process.pid}")
    fields = folder.joinpath("stat").read_text().rpartition(")")[2].split()
    facts = dict(line.split(": ") for line in folder.joinpath("io").read_text().splitlines())
    return Usage(
        cpu_seconds=cpu_seconds(process),
        system_seconds=int(fields[12]) / TICK,
        disk_read=int(facts["read_bytes"]),
        disk_written=int(facts["write_bytes"]),
        passed=int(facts["wchar"]),
    )


def resident_mb(process: subprocess.Popen[bytes], what: str = "VmRSS") -> float:
    """Its memory in MiB: resident now, or (`VmHWM`) at the most."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    found = next(line for line in lines if line.startswith(what + ":"))
    return int(found.split()[1]) / 1024


@contextmanager
def started(
    command: Sequence[str], surroundings: Mapping[str, str], stem: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command for the block; its output and log are files beside each other."""
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
        Failed: it took too long, or left with another status.

    """
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
