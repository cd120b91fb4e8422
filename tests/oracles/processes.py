"""I7: threads and file descriptors of a process stay bounded, as the kernel counts them."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from oracles.findings import Finding

MOST_THREADS = 16
"""Three pollers, two lanes, the keeper and the main thread are 7; and as many again."""
MOST_DESCRIPTORS = 32
"""A dozen is usual: the queue, the database and its log, Slack, SES."""


class Footprint(NamedTuple):
    """What a process has at one moment."""

    threads: int
    descriptors: int
    kilobytes: int
    """Resident."""


def footprint(pid: int) -> Footprint | None:
    """Look; None: it has ended."""
    place = Path(f"/proc/{pid}")
    try:
        status = (place / "status").read_text()
        descriptors = len(list((place / "fd").iterdir()))
    except OSError:
        return None
    found = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    if "VmRSS" not in found:  # it is dead and nobody has asked how
        return None
    return Footprint(int(found["Threads"]), descriptors, int(found["VmRSS"].split()[0]))


def unbounded(name: str, observed: Footprint) -> Iterator[Finding]:
    """Hold what was examined against the bounds."""
    if observed.threads > MOST_THREADS:
        yield Finding("I7", f"{name} has {observed.threads} threads")
    if observed.descriptors > MOST_DESCRIPTORS:
        yield Finding("I7", f"{name} has {observed.descriptors} file descriptors")
