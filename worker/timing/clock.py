"""The clock for leases, and the wall clock, which may be set."""

import time
from datetime import UTC, datetime


def now() -> float:
    """Return seconds since some moment; this clock is never set, and runs while the machine sleeps.

    `time.monotonic` stops during sleep (clock_gettime(2)), but a visibility timeout does not.
    """
    return time.clock_gettime(_CLOCK)


def wall() -> datetime:
    """Return the time in UTC by this machine's clock, which may be wrong, leap, and go back."""
    return datetime.now(UTC)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Only Linux has CLOCK_BOOTTIME. Elsewhere two workers may hold a message after the machine slept;
it is a duplicate for the second."""
