"""How much mail was sent, as far as it is known, and since when."""

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum

from msgspec import Struct, field

from worker.core.reporting.sums import Sums, total


class Source(StrEnum):
    """Where the number of mails sent comes from."""

    SEND = "send_events"
    DELIVERY = "delivery_events"
    """Deliveries and bounces: a mail ends as one of them, or is still under way."""
    VDM = "ses_metrics"
    """`BatchGetMetricData`: without the simulator, and without mails to several recipients."""
    STATISTICS = "ses_statistics"
    """`GetSendStatistics`: delivery attempts of the last two weeks."""
    UNKNOWN = "unknown"


class FromSes(Struct, frozen=True, kw_only=True):
    """What SES's own API says was sent."""

    source: Source = Source.UNKNOWN
    by_day: Mapping[date, int] = {}
    problem: str = ""
    """Why it gave no figures, in a sentence without a full stop."""


class Sends(Struct, frozen=True, kw_only=True):
    """Mails sent in the days for which their number is known."""

    source: Source
    since: date | None = None
    """The first of those days; rates are about these days only."""
    count: int | None = None
    sums: Sums = field(default_factory=Sums)
    """What else was counted in those days."""


def sends_of(
    by_day: Mapping[date, Sums], days: Sequence[date], ses: FromSes | None = None
) -> Sends:
    """Find out how much was sent: by Send events, else by deliveries, else by SES's metrics.

    `days`: all days of the report. Where sends are counted only since later, the first day with
    any is left out, because mail of its beginning may not be counted.
    """
    for source, counted in _sources(by_day, ses):
        if any(counted.values()):
            first = min(day for day, count in counted.items() if count)
            since = _first_whole(first, days)
            known = [day for day in days if day >= since]
            return Sends(
                source=source,
                since=since,
                count=sum(counted.get(day, 0) for day in known),
                sums=total(by_day[day] for day in known if day in by_day),
            )
    return Sends(source=Source.UNKNOWN, sums=total(by_day.values()))


def sent(sums: Sums, source: Source) -> int | None:
    """Return how much of it was sent, where the source knows it of parts."""
    if source is Source.SEND:
        return sums.send
    if source is Source.DELIVERY:
        return sums.delivery + sums.bounces
    return None


def _sources(
    by_day: Mapping[date, Sums], ses: FromSes | None
) -> Sequence[tuple[Source, Mapping[date, int]]]:
    counted: list[tuple[Source, Mapping[date, int]]] = [
        (Source.SEND, {day: sums.send for day, sums in by_day.items()})
    ]
    if any(sums.delivery for sums in by_day.values()):
        delivered = {day: sums.delivery + sums.bounces for day, sums in by_day.items()}
        began = min(day for day, sums in by_day.items() if sums.delivery)
        delivered = {day: count for day, count in delivered.items() if day >= began}
        counted.append((Source.DELIVERY, delivered))
    if ses and ses.by_day:
        counted.append((ses.source, ses.by_day))
    return counted


def _first_whole(first: date, days: Sequence[date]) -> date:
    later = [day for day in days if day > first]
    return first if first <= days[0] or not later else later[0]
