"""Memory settings of a worker: Python's garbage collector and the C library's allocator."""

import gc
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Names of parameters in glibc's malloc.h: https://man7.org/linux/man-pages/man3/mallopt.3.html"""
LARGE_BLOCK_BYTES = 524_288
"""Blocks of this size and larger are returned to the kernel as soon as they are freed."""
KEPT_BYTES = 8 * 1_048_576
"""Free memory that is kept at the end of an arena for later use."""
MOST_ARENAS = 2


def tune_memory() -> None:
    """Tune both for a worker; to be called when everything is imported and built."""
    calm_garbage_collector()
    give_large_blocks_back()


def calm_garbage_collector() -> None:
    """Look for cycles rarely: the loops make none, and what is imported stays.

    At its default pace the collector takes a twelfth of the time of `process`.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def give_large_blocks_back() -> None:
    """Return large blocks to the kernel when they are freed; without glibc do nothing.

    glibc learns from each large block that is freed, and keeps blocks of up to 32 MiB for later
    use, in up to eight arenas per core. After a few messages of 1 MiB each poller's thread would
    keep tens of megabytes that nothing uses: measured, a fifth of the daemon's peak.
    """
    # ctypes may be denied the executable memory that it needs.
    with suppress(ImportError, OSError, AttributeError, MemoryError):
        from ctypes import CDLL  # noqa: PLC0415 only a worker needs it, and see above

        mallopt = CDLL(None).mallopt
        mallopt(_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_ARENA_MAX, MOST_ARENAS)
