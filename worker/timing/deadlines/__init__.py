"""Deadlines for whole answers.

A socket's time-out holds for a single read: a server that sends a byte now and then keeps its
reader for ever. Here a thread sets a deadline, and all its waits for the network end by then:
`sockets` has lookups, connections, reads and writes, `beside` calls that cannot be interrupted.
"""

import math
import threading
import time
from types import TracebackType

MOST_BYTES = 70 * 1_048_576
"""Bytes of all answers before a deadline; the largest accepted receive of SQS has 64 MiB."""


class TooLarge(OSError):
    """More bytes arrived than any valid answer has."""


class Limits:
    """The limits of a thread."""

    __slots__ = ("bytes_left", "end")

    def __init__(self) -> None:
        self.end = math.inf
        """The deadline, on `time.monotonic`."""
        self.bytes_left = math.inf

    def at_most(self, seconds: float | None) -> float | None:
        """Shorten a time-out to the time that is left; None: no time-out.

        Raises:
            TimeoutError: no time is left.

        """
        if self.end == math.inf:
            return seconds
        remaining = self.end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the whole answer took too long")
        return remaining if seconds is None or seconds > remaining else seconds

    def count(self, received: int) -> None:
        """Count received bytes.

        Raises:
            TooLarge: there are too many.

        """
        self.bytes_left -= received
        if self.bytes_left < 0:
            raise TooLarge("the answer is too large")


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.limits = Limits()


_of_thread = _OfThread()


class within:  # noqa: N801 `with within(10):` reads as a sentence
    """Set a deadline for this thread's network calls; of nested deadlines the earliest holds."""

    __slots__ = ("_before", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        """Set the deadline."""
        limits = _of_thread.limits
        end = limits.end
        self._before = end, limits.bytes_left
        if end == math.inf:
            limits.bytes_left = MOST_BYTES
        limits.end = min(end, time.monotonic() + self._seconds)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Restore the limits from before the block."""
        limits = _of_thread.limits
        limits.end, limits.bytes_left = self._before


def extend(seconds: float) -> None:
    """Move this thread's deadline by the seconds in which it did not wait for the network."""
    _of_thread.limits.end += seconds


def limits() -> Limits:
    """The limits of this thread."""
    return _of_thread.limits


def left() -> float:
    """Return the seconds until the deadline: `inf` without a deadline, below 0 after it."""
    return _of_thread.limits.end - time.monotonic()


def at_most(seconds: float | None) -> float | None:
    """Shorten a time-out to the time that is left to this thread; None: no time-out.

    Raises:
        TimeoutError: no time is left.

    """
    return _of_thread.limits.at_most(seconds)
