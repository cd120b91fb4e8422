"""The skew of this machine's clock against SQS's, from the `Date` of answers."""

import time
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime

READ_EVERY_SECONDS = 2.0
"""Thousands of answers may arrive in a second, and parsing a date takes 10 µs."""
READINGS = 3
"""The median of the last three counts: an odd date, such as a proxy's or one that lay in the
socket of a suspended process, changes nothing."""
STALE_SECONDS = 100.0
"""A long poll lasts 20 s at most: after this time several readings are missing."""
_LONGEST_DATE = 64


def read_date(text: str | None) -> float | None:
    """Read a `Date` header, to the second, as seconds since 1970; None if it is not a date."""
    if text and len(text) <= _LONGEST_DATE:
        with suppress(ValueError, TypeError, OverflowError, OSError):
            date = parsedate_to_datetime(text)
            return date.replace(tzinfo=date.tzinfo or UTC).timestamp()
    return None


class ClockSkew:
    """Keeps the latest readings. Thread-safe: of two at the same time, either may be lost."""

    def __init__(self) -> None:
        self._next_at = self._read_at = 0.0
        self._readings: tuple[float, ...] = ()

    def read(self, date: str | None) -> None:
        """Read the `Date` of an answer that has just arrived; ignore an invalid date."""
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + READ_EVERY_SECONDS
        if (sqs_time := read_date(date)) is not None:
            self._read_at = now
            self._readings = (*self._readings, time.time() - sqs_time)[-READINGS:]

    @property
    def latest_seconds(self) -> float | None:
        """Seconds by which this clock is ahead of SQS's (below 0: behind), latest reading."""
        readings = self._readings
        return readings[-1] if readings else None

    @property
    def seconds(self) -> float | None:
        """The same by the median of several recent readings; None without them."""
        readings = self._readings
        if len(readings) < READINGS or time.monotonic() - self._read_at > STALE_SECONDS:
            return None
        return sorted(readings)[READINGS // 2]
