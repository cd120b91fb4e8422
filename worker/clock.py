"""The clock that leases are measured with."""

import time


def now() -> float:
    """Seconds since some moment; nobody sets this clock, and it goes on while the machine sleeps.

    `time.monotonic` stands still then (clock_gettime(2)), and SQS does not wait for us.
    """
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Linux has it; elsewhere a second holder of a message is a duplicate, as ever."""
