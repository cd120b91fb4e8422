"""What is old, and until when its keys are kept."""

from datetime import datetime, timedelta

from msgspec import Struct

from worker.core.folding import Recorded
from worker.core.retention import LATE

_FOR_EVER = 2**31 - 1
_THE_BEGINNING = datetime(1970, 1, 1).date()  # noqa: DTZ001 a date has no zone


class Limits(Struct, frozen=True, kw_only=True):
    """By what a purge goes."""

    cutoff: datetime
    """What was received before is old."""
    now: datetime
    keys: timedelta | None
    """So long keys are kept; None: for ever."""

    def is_old(self, event: Recorded, claimed_at: datetime | None) -> bool:
        """Return whether an event is old; `claimed_at`: the time that SES wrote, if it was later.

        A time in the future counts no longer than keys are kept.
        """
        return event.received_at < self.cutoff and (
            claimed_at is None
            or claimed_at < self.cutoff
            or (self.keys is not None and event.received_at < self.now - self.keys)
        )

    def keys_kept_until(self, event: Recorded) -> int:
        """Return the last day on which the keys of an event are kept that goes now."""
        if self.keys is None:
            return _FOR_EVER
        received = day_of(event.received_at) + self.keys.days + 1
        return min(_FOR_EVER, max(received, day_of(self.now) + LATE.days))


def day_of(moment: datetime) -> int:
    """Return the day of a time in UTC, counted from 1970-01-01."""
    return (moment.date() - _THE_BEGINNING).days
