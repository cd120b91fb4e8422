"""I7: threads and file descriptors of a process stay bounded, as the kernel counts them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from oracles.findings import Finding

MOST_THREADS = 20
"""Twice ten threads: three pollers, three lanes, the lease keeper, the figures, the look for removals
that a person requested, and the main thread."""
MOST_DESCRIPTORS = 32
"""A dozen is usual: queue, database and its log, Slack, SES."""


class Footprint(NamedTuple):
    """What a process has at a moment."""

    threads: int
    descriptors: int
    kilobytes: int
    """Resident memory."""


def footprint(pid: int) -> Footprint | None:
    """Read it from the kernel; None: the process has ended."""
    place = Path(f"/proc/{pid}")
    try:
        status = (place / "status").read_text()
        descriptors = len(list((place / "fd").iterdir()))
    except OSError:
        return None
    found = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "VmRSS" not in found:  # a zombie
        return None
    return Footprint(int(found["Threads"]), descriptors, int(found["VmRSS"].split()[0]))


def unbounded(name: str, observed: Footprint) -> Iterator[Finding]:
    """Compare what was read with the limits."""
    if observed.threads > MOST_THREADS:
        yield Finding("I7", f"{name} has {observed.threads} threads")
    if observed.descriptors > MOST_DESCRIPTORS:
        yield Finding("I7", f"{name} has {observed.descriptors} file descriptors")
