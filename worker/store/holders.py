"""Names the processes that hold locks on files, for error messages; on Linux only."""

import itertools
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_LOCKS = Path("/proc/locks")
_PROGRAM, _MODULE = b"ses-worker", (b"-m", b"worker")
"""What the command line of a worker has."""


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


def workers_named(files: Sequence[str | Path]) -> str:
    """Name the processes that are workers, or of which that is unknown; empty: none."""
    return _named([id_ for id_ in holders(files) if _may_be_a_worker(id_)])


def _may_be_a_worker(id_: int) -> bool:
    try:
        words = Path(f"/proc/{id_}/cmdline").read_bytes().split(b"\0")
    except OSError:  # hidden; or it has just ended
        return Path(f"/proc/{id_}").exists()
    is_module = _MODULE in itertools.pairwise(words)
    return is_module or any(word.rpartition(b"/")[2] == _PROGRAM for word in words)


def holder_named(files: Sequence[str | Path]) -> str:
    """Name the first process, to begin a sentence."""
    ids = holders(files)
    return f"Process {ids[0]} (ps -fp {ids[0]})" if ids else "Another process"


def holders_named(files: Sequence[str | Path]) -> str:
    """Name the processes, to end a sentence."""
    named = _named(holders(files))
    return f": {named}" if named else ""


def _named(ids: Sequence[int]) -> str:
    if not ids:
        return ""
    noun = "process" if len(ids) == 1 else "processes"
    return f"{noun} {', '.join(map(str, ids))} (ps -fp {','.join(map(str, ids))})"
