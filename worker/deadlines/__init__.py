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


class _Limits(threading.local):
    """What holds for a thread."""

    end = math.inf
    """On `time.monotonic`."""
    bytes_left = math.inf


_limits = _Limits()


class within:  # noqa: N801 it reads as the word it is: `with within(10):`
    """Have this thread be done with the network in so many seconds; of several the earliest."""

    __slots__ = ("_before", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        """Begin."""
        self._before = _limits.end, _limits.bytes_left
        if _limits.end == math.inf:
            _limits.bytes_left = MOST_BYTES
        _limits.end = min(_limits.end, time.monotonic() + self._seconds)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Have what held before hold again."""
        _limits.end, _limits.bytes_left = self._before


def left() -> float:
    """Tell how many seconds this thread has; `inf` where it has no deadline, below 0 after it."""
    return _limits.end - time.monotonic()


def at_most(seconds: float | None) -> float | None:
    """Shorten a time-out to what is left; None is none.

    Raises:
        TimeoutError: nothing is left.

    """
    end = _limits.end
    if end == math.inf:
        return seconds
    remaining = end - time.monotonic()
    if remaining <= 0:
        raise TimeoutError("the whole answer took too long")
    return remaining if seconds is None else min(seconds, remaining)


def count(received: int) -> None:
    """Learn of bytes that came.

    Raises:
        TooLarge: they are too many.

    """
    _limits.bytes_left -= received
    if _limits.bytes_left < 0:
        raise TooLarge("the answer is too large")
