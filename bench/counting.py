"""How the work of a drain is counted: instructions by perf or by valgrind, or else CPU time.

`perf` counts what the processor executes in user mode while the drain runs at full speed. Virtual
machines often have no such counter. `valgrind` (`--tool=cachegrind --cache-sim=no`) executes the
program itself and counts every instruction of it, some 30 times slower, on any machine and under
any load. It cannot begin in the middle of a run, so a short and a long queue are drained and the
start-up, which both have, cancels out of the difference. Neither counts what the kernel does.
"""

import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from bench.places import OUT, Unfit

_INSTRUCTIONS = "instructions:u"
_TOTAL = re.compile(r"I\s+refs:\s+([\d,]+)")


class Counter(StrEnum):
    """What counts."""

    PERF = "perf"
    VALGRIND = "valgrind"
    CPU = "cpu"
    """The process's CPU clock, which on a virtual machine varies by 5 to 10 %."""


def chosen(wanted: str) -> Counter:
    """Return the counter with this name, or for "auto" the most exact that works here.

    Raises:
        Unfit: it does not work here.

    """
    available: dict[Counter, Callable[[], bool]] = {
        Counter.PERF: _perf_counts,
        Counter.VALGRIND: lambda: shutil.which("valgrind") is not None,
        Counter.CPU: lambda: True,
    }
    if wanted == "auto":
        return next(counter for counter, works in available.items() if works())
    counter = Counter(wanted)
    if not available[counter]():
        raise Unfit(f"{counter} cannot count instructions on this machine")
    return counter


def _perf_counts() -> bool:
    try:
        done = subprocess.run(
            ["perf", "stat", "-x,", "-e", _INSTRUCTIONS, "true"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0 and done.stderr.partition(",")[0].strip().isdigit()


def start_perf(pid: int) -> Callable[[], float]:
    """Start counting in all threads of a process; the result, when called, returns the count."""
    file = OUT / "pair-count.csv"
    command = ["perf", "stat", "-x,", "-e", _INSTRUCTIONS, "-p", str(pid), "-o", str(file)]
    perf = subprocess.Popen(command)

    def stop() -> float:
        perf.send_signal(signal.SIGINT)
        perf.wait(20)
        lines = [line for line in file.read_text().splitlines() if line and line[0] != "#"]
        return float(lines[0].partition(",")[0])

    return stop


def valgrind_command(log: Path) -> list[str]:
    """The beginning of a command whose instructions valgrind counts and writes to `log`."""
    return [
        "valgrind",
        "--tool=cachegrind",
        "--cache-sim=no",
        "--cachegrind-out-file=/dev/null",
        "--fair-sched=yes",  # without it a thread may keep valgrind's lock and starve the others
        f"--log-file={log}",
    ]


def valgrind_count(log: Path) -> int:
    """Read the number of instructions from the log of a process that ended."""
    match = _TOTAL.search(log.read_text())
    if match is None:
        raise Unfit(f"valgrind wrote no count to {log}")
    return int(match[1].replace(",", ""))
