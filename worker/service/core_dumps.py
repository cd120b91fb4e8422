"""Core dumps, which would contain addresses and secrets."""

import resource
from contextlib import suppress
from pathlib import Path

FILTER = Path("/proc/self/coredump_filter")
"""Which memory a core dump contains, as a mask of bits; core(5)."""


def leave_no_core_dump() -> None:
    """Have this process and its children dump no memory, wherever they run.

    A handler that the kernel starts (`|` in core_pattern) need not respect the limit, so the dump
    would be without memory, too.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    with suppress(OSError):  # not Linux, or no /proc
        FILTER.write_text("0", encoding="ascii")
