"""Names the processes that hold locks on files, for error messages; on Linux only."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_LOCKS = Path("/proc/locks")


def holders(files: Sequence[str | Path]) -> list[int]:
    """Return the ids of other processes with locks on any of the files; empty if unknown.

    A line looks like `1: POSIX  ADVISORY  READ 4242 08:01:131 120 120`
    (https://man7.org/linux/man-pages/man5/proc_locks.5.html).
    """
    places = set()
    for file in files:
        with suppress(OSError):
            status = os.stat(file)  # noqa: PTH116 str or Path
            major, minor = os.major(status.st_dev), os.minor(status.st_dev)
            places.add(f"{major:02x}:{minor:02x}:{status.st_ino}")
    try:
        lines = [line.split() for line in _LOCKS.read_text("ascii").splitlines()]
    except (OSError, ValueError):
        return []
    # `->` marks a process that waits for the lock.
    ids = {line[4] for line in lines if len(line) > 5 and line[1] != "->" and line[5] in places}
    return sorted({int(text) for text in ids if text.isdigit()} - {0, os.getpid()})


def holder_named(files: Sequence[str | Path]) -> str:
    """Name the first process, to begin a sentence."""
    ids = holders(files)
    return f"Process {ids[0]} (ps -fp {ids[0]})" if ids else "Another process"


def holders_named(files: Sequence[str | Path]) -> str:
    """Name the processes, to end a sentence."""
    ids = holders(files)
    if not ids:
        return ""
    noun = "process" if len(ids) == 1 else "processes"
    return f": {noun} {', '.join(map(str, ids))} (ps -fp {','.join(map(str, ids))})"
