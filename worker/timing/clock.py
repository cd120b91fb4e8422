"""The clock for leases, which nobody can set, and the wall clock, which an operator can."""

import time
from datetime import UTC, datetime


def now() -> float:
    """Return seconds on a clock that cannot be set and that runs while the machine is suspended.

    `time.monotonic` stops then (clock_gettime(2)), while visibility timeouts go on.
    """
    return time.clock_gettime(_CLOCK)


def wall() -> datetime:
    """Return the time in UTC by this machine's clock, which may be wrong, leap, and go back."""
    return datetime.now(UTC)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""CLOCK_BOOTTIME on Linux. Elsewhere a suspended machine may hold messages that others have
received again: they become duplicates."""
