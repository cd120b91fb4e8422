"""Makes a report of the figures by the hour."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from worker.commands.report.figures_reader import FiguresReader
from worker.commands.report.reasons import decision, reasons, spenders, statuses
from worker.commands.report.rows import rows_by, rows_by_day, rows_by_tag
from worker.core.reporting.report import TAG, By, Report, Row
from worker.core.reporting.sends import FromSes, Sends, Source, sends_of, sent
from worker.core.reporting.sums import Sums, total
from worker.store import Store
from worker.store.figures_by_hour import READ as READ_FOR_FIGURES
from worker.store.figures_by_hour import known
from worker.store.needs import to_read
from worker.store.newest import newest_decisions

READ = {**READ_FOR_FIGURES, **to_read("events")}
"""What a report reads."""
_SPENDERS = (By.DOMAIN, By.CONFIGURATION_SET, By.TENANT)
AskSes = Callable[[datetime, datetime], FromSes]
Progress = Callable[[int, int], None]


class ReportRequest(Struct, frozen=True, kw_only=True):
    """Which report."""

    days: int
    """Whole days in UTC before today; today is added as far as it has come."""
    by: str
    """A `By`, or `tag:NAME`."""
    top: int
    """So many values have a line; the rest is `other`."""


def make_report(
    store: Store,
    request: ReportRequest,
    now: datetime,
    *,
    ask_ses: AskSes | None = None,
    progress: Progress = lambda _done, _total: None,
) -> Report:
    """Read what a report says. `progress` is called while events are read one by one.

    Raises:
        Unavailable: the database cannot be read now.

    """
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    figures = FiguresReader(store, today - timedelta(days=request.days), now)
    days = [figures.since.date() + timedelta(days=number) for number in range(request.days + 1)]
    by_day, simulated = figures.by_day()
    ses = ask_ses(figures.since, now) if ask_ses else None
    sends = sends_of(by_day, days, ses)
    rows, scanned = _rows(figures, request, by_day, sends, progress)
    since = known(store)
    return Report(
        made_at=now,
        since=figures.since,
        days=days,
        by=request.by,
        total=total(by_day.values()),
        by_day=by_day,
        sends=sends,
        sends_by_day=_sends_by_day(days, by_day, sends, ses),
        rows=rows,
        reasons=reasons(figures),
        statuses=statuses(figures),
        spenders={by: spenders(figures, by) for by in _SPENDERS},
        newest=[decision(row) for row in newest_decisions(store, figures.since, now)],
        simulated=simulated,
        ses=ses,
        bounces_since=since.bounces_since,
        others_since=since.others_since,
        scanned=scanned,
    )


def _rows(
    figures: FiguresReader,
    request: ReportRequest,
    by_day: Mapping[date, Sums],
    sends: Sends,
    progress: Progress,
) -> tuple[list[Row], int | None]:
    if request.by.startswith(TAG):
        return rows_by_tag(figures, request.by.removeprefix(TAG), sends, request.top, progress)
    if request.by == By.DAY:
        return rows_by_day(by_day, sends), None
    return rows_by(figures, By(request.by), sends, request.top), None


def _sends_by_day(
    days: Sequence[date], by_day: Mapping[date, Sums], sends: Sends, ses: FromSes | None
) -> Mapping[date, int]:
    """Return the mails of each day for which their number is known."""
    known = [day for day in days if sends.since and day >= sends.since]
    if sends.source in {Source.VDM, Source.STATISTICS}:
        return {day: ses.by_day.get(day, 0) for day in known} if ses else {}
    counted = {day: sent(by_day.get(day, Sums()), sends.source) for day in known}
    return {day: count for day, count in counted.items() if count is not None}
