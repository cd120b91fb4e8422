"""The clock that leases are measured with, and the one on the wall, which anybody may set."""

import time
from datetime import UTC, datetime


def now() -> float:
    """Seconds since some moment; nobody sets this clock, and it goes on while the machine sleeps.

    `time.monotonic` stands still then (clock_gettime(2)), and SQS does not wait for us.
    """
    return time.clock_gettime(_CLOCK)


def wall() -> datetime:
    """Return the time in UTC, by this machine's clock: it may be wrong, leap, and go back."""
    return datetime.now(UTC)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux has it; elsewhere a second holder of a message is a duplicate, as ever."""
