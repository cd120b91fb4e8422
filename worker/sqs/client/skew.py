"""How far our clock is from SQS's, as the `Date` of its answers tells."""

import time
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime

READ_EVERY_SECONDS = 2.0
"""Thousands of answers may come in a second, and reading a date takes 10 µs."""
READINGS = 3
"""The middle one of the last three counts: an odd answer, such as a proxy's or one that lay in the
socket of a suspended process, changes nothing."""
STALE_SECONDS = 100.0
"""A long poll lasts 20 s at most, so that several readings are missing by then."""
_LONGEST_DATE = 64


def read_date(text: str | None) -> float | None:
    """Read a `Date` header, to the second, as seconds since 1970; None where it is none."""
    if text and len(text) <= _LONGEST_DATE:
        with suppress(ValueError, TypeError, OverflowError, OSError):
            found = parsedate_to_datetime(text)
            return found.replace(tzinfo=found.tzinfo or UTC).timestamp()
    return None


class ClockSkew:
    """Keeps the last few readings. Thread-safe: at worst, one of two at once is lost."""

    def __init__(self) -> None:
        self._next_at = self._read_at = 0.0
        self._readings: tuple[float, ...] = ()

    def read(self, date: str | None) -> None:
        """Take the `Date` of an answer that has just come; one that cannot be read is ignored."""
        now = time.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + READ_EVERY_SECONDS
        if (theirs := read_date(date)) is not None:
            self._read_at = now
            self._readings = (*self._readings, time.time() - theirs)[-READINGS:]

    @property
    def latest_seconds(self) -> float | None:
        """By how much our clock is ahead of SQS's (below 0: behind), by one reading; or None."""
        readings = self._readings
        return readings[-1] if readings else None

    @property
    def seconds(self) -> float | None:
        """The same by several readings, the last of them not long ago; or None."""
        readings = self._readings
        if len(readings) < READINGS or time.monotonic() - self._read_at > STALE_SECONDS:
            return None
        return sorted(readings)[READINGS // 2]
