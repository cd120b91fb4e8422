"""How the C library keeps memory that Python has given back.

glibc learns from each large block that is freed, and keeps blocks up to 32 MiB for the next one, in
up to eight arenas a core. After a few messages of 1 MiB each poller's thread would have tens of
megabytes that nobody uses: measured, a fifth of the daemon's peak.
"""

from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Names of parameters in glibc's malloc.h: https://man7.org/linux/man-pages/man3/mallopt.3.html"""
LARGE_BLOCK_BYTES = 524_288
"""Blocks from this size on are the kernel's again as soon as they are free."""
KEPT_BYTES = 8 * 1_048_576
"""Free memory at the end of an arena that is kept for what comes next."""
MOST_ARENAS = 2


def give_large_blocks_back() -> None:
    """Have large blocks go back to the kernel; without glibc, or its mallopt, nothing is done."""
    # ctypes itself may be refused memory that can be executed.
    with suppress(ImportError, OSError, AttributeError, MemoryError):
        from ctypes import CDLL  # noqa: PLC0415 for the daemon alone, and see above

        mallopt = CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_ARENA_MAX, MOST_ARENAS)
