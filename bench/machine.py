"""The machine: which programs have used its processors, and its versions."""

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
CORES = os.cpu_count() or 1


def machine_seconds() -> float:
    """CPU seconds that all programs together have used since the machine started."""
    first = Path("/proc/stat").read_text().partition("\n")[0].split()
    user, nice, system, _idle, _iowait, irq, softirq = map(int, first[1:8])
    return (user + nice + system + irq + softirq) / TICK


def family_seconds(parent: int) -> float:
    """CPU seconds of a process and of its children, those that have ended too."""
    own, ended = _times(parent)
    return own + ended + sum(sum(_times(child)) for child in _children(parent))


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in found]


def _times(pid: int) -> tuple[float, float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:  # it has ended in between, and its parent has what it used
        return 0.0, 0.0
    user, system, ended_user, ended_system = map(int, fields[11:15])
    return (user + system) / TICK, (ended_user + ended_system) / TICK


def describe(node: str, postgresql: str | None) -> dict[str, str]:
    """Report what was measured on, for RESULTS.md."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "machine": f"{CORES} cores, {_processor()}, {_memory():.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "boto3": version("boto3"),
        "SQLite": sqlite3.sqlite_version,
        **({"PostgreSQL": postgresql} if postgresql else {}),
        "Node": node,
        "ses-feedback-worker": version("ses-feedback-worker"),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
