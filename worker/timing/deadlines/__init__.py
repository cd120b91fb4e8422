"""Deadlines for whole answers.

A socket's time-out holds for one read: a server that sends a byte now and then keeps its reader for
ever. Here a thread says by when it wants to be done, and every wait of it for the network ends by
then: `sockets` for names, connections and each read and write, `beside` for calls that nobody can
interrupt.
"""

import math
import threading
import time
from types import TracebackType

MOST_BYTES = 70 * 1_048_576
"""Of all answers until one deadline; SQS's largest receive is 64 MiB, however it is escaped."""


class TooLarge(OSError):
    """More came than any answer takes."""


class Limits:
    """What holds for a thread."""

    __slots__ = ("bytes_left", "end")

    def __init__(self) -> None:
        self.end = math.inf
        """On `time.monotonic`."""
        self.bytes_left = math.inf

    def at_most(self, seconds: float | None) -> float | None:
        """Shorten a time-out to what is left; None is none.

        Raises:
            TimeoutError: nothing is left.

        """
        if self.end == math.inf:
            return seconds
        remaining = self.end - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the whole answer took too long")
        return remaining if seconds is None or seconds > remaining else seconds

    def count(self, received: int) -> None:
        """Learn of bytes that came.

        Raises:
            TooLarge: they are too many.

        """
        self.bytes_left -= received
        if self.bytes_left < 0:
            raise TooLarge("the answer is too large")


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.limits = Limits()


_of_thread = _OfThread()


class within:  # noqa: N801 it reads as the word it is: `with within(10):`
    """Have this thread be done with the network in so many seconds; of several the earliest."""

    __slots__ = ("_before", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        """Begin."""
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
        """Have what held before hold again."""
        limits = _of_thread.limits
        limits.end, limits.bytes_left = self._before


def extend(seconds: float) -> None:
    """Give this thread so many seconds more: what it waited for meanwhile was not the network."""
    _of_thread.limits.end += seconds


def limits() -> Limits:
    """What holds for this thread."""
    return _of_thread.limits


def left() -> float:
    """Return how many seconds this thread has; `inf` where it has no deadline, below 0 after it."""
    return _of_thread.limits.end - time.monotonic()


def at_most(seconds: float | None) -> float | None:
    """Shorten a time-out to what is left to this thread; None is none.

    Raises:
        TimeoutError: nothing is left.

    """
    return _of_thread.limits.at_most(seconds)
