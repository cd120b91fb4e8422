"""Which processes hold locks on files, as Linux tells; for people, when a wait was in vain."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_LOCKS = Path("/proc/locks")


def holders(files: Sequence[str | Path]) -> list[int]:
    """Return which other processes hold locks on any of the files; none where it is not known.

    A line is such as `1: POSIX  ADVISORY  READ 4242 08:01:131 120 120`
    (https://man7.org/linux/man-pages/man5/proc_locks.5.html).
    """
    places = set()
    for file in files:
        with suppress(OSError):
            found = os.stat(file)  # noqa: PTH116 names of files, not of people
            major, minor = os.major(found.st_dev), os.minor(found.st_dev)
            places.add(f"{major:02x}:{minor:02x}:{found.st_ino}")
    try:
        lines = [line.split() for line in _LOCKS.read_text("ascii").splitlines()]
    except (OSError, ValueError):
        return []
    found_in = {
        line[4] for line in lines if len(line) > 5 and line[1] != "->" and line[5] in places
    }
    return sorted({int(item) for item in found_in if item.isdigit()} - {0, os.getpid()})


def holder_named(files: Sequence[str | Path]) -> str:
    """Name the first of them, to begin a sentence with."""
    found = holders(files)
    return f"Process {found[0]} (ps -fp {found[0]})" if found else "Another process"


def holders_named(files: Sequence[str | Path]) -> str:
    """Name them, to be put behind a sentence."""
    found = holders(files)
    if not found:
        return ""
    noun = "process" if len(found) == 1 else "processes"
    return f": {noun} {', '.join(map(str, found))} (ps -fp {','.join(map(str, found))})"
