"""A report for machines: figures with names that stay, as docs/report.md has them. Pure."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import Any

from worker.commands.csv_export import with_guard
from worker.core.masking import printable
from worker.core.reporting.lines import Judgement
from worker.core.reporting.report import TAG, By, Decision, Reason, Report, Row, Spender
from worker.core.reporting.sums import Sums
from worker.core.reporting.words import notes

COLUMNS = (
    "sends", "deliveries", "hard_bounces", "soft_bounces", "other_bounces", "refused",
    "counted_bounces", "bounce_rate", "bounce_state", "complaints", "complaint_rate",
    "complaint_state", "repeated_bounces", "repeated_complaints", "paused", "blocked",
)  # fmt: skip
"""Of a line of the table, in CSV and JSON alike; the first column is what it is by."""
_ON_PEOPLE = ("repeated_bounces", "repeated_complaints", "paused", "blocked")
"""Columns that only the commit of an event knows."""


def as_figures(report: Report) -> dict[str, Any]:
    """Return the report for JSON."""
    return {
        "since": report.since.isoformat(),
        "until": report.made_at.isoformat(),
        "by": report.by,
        "sends": {
            "count": report.sends.count,
            "source": report.sends.source.value,
            "since": _day(report.sends.since),
        },
        "bounces": _bounces(report) | _judged(report.bounces),
        "complaints": _complaints(report) | _judged(report.complaints),
        "paused": None if report.outcomes_unknown_before else report.total.paused,
        "blocked": None if report.outcomes_unknown_before else report.total.blocked,
        "simulated": report.simulated,
        "received_again": report.total.received_again,
        "counted_since": _moment(report.others_since),
        "bounces_counted_since": _moment(report.bounces_since),
        "events_read": report.scanned,
        "ses": _ses(report),
        "rows": list(lines_of(report)),
        "by_day": [
            {"day": str(day), "sends": report.sends_by_day.get(day)}
            | _counts(report.by_day.get(day, Sums()))
            | _unknown_on(report, day)
            for day in report.days
        ],
        "reasons": [_reason(reason) for reason in report.reasons],
        "statuses": [_reason(reason) for reason in report.statuses],
        "spenders": {
            name_of(by): [_spender(spender) for spender in found]
            for by, found in report.spenders.items()
        },
        "newest": [_decision(found) for found in report.newest],
        "notes": list(notes(report)),
    }


def lines_of(report: Report) -> Iterator[dict[str, Any]]:
    """Yield the table's lines: the value by the name of what it is by, then `COLUMNS`."""
    for row in report.rows:
        line = _line(row) | dict.fromkeys(_unknown(report, row))
        value = row.value.rstrip("/") if report.by == By.TYPE else row.value
        yield {name_of(report.by): value} | line


def cells_of(report: Report) -> Iterator[list[object]]:
    """Yield the table's lines for CSV, its heading first: no cell is a formula."""
    yield [name_of(report.by), *COLUMNS]
    for line in lines_of(report):
        yield [
            with_guard(printable(cell)) if isinstance(cell, str) else cell for cell in line.values()
        ]


def _unknown(report: Report, row: Row) -> Iterable[str]:
    """Return the columns that are not counted by what a table is by, or not in all of its time."""
    if report.by == By.DOMAIN:
        return _ON_PEOPLE
    if report.by.startswith(TAG):  # of events, which show what became of people
        return _ON_PEOPLE[:2]
    if report.by == By.DAY:
        return _unknown_on(report, date.fromisoformat(row.value))
    return _ON_PEOPLE if report.outcomes_unknown_before else ()


def _unknown_on(report: Report, day: date) -> dict[str, None]:
    return {} if report.knows_outcomes_of(day) else dict.fromkeys(_ON_PEOPLE)


def name_of(by: str) -> str:
    """Return the name of the first column: `configuration_set`, `tag:campaign`."""
    return by.replace("-", "_") if by in set(By) else by


def _line(row: Row) -> dict[str, Any]:
    figures = {
        "sends": row.bounces.sends,
        "bounce_rate": row.bounces.rate,
        "bounce_state": row.bounces.state.value,
        "complaint_rate": row.complaints.rate,
        "complaint_state": row.complaints.state.value,
        **_counts(row.sums),
    }
    return {name: figures[name] for name in COLUMNS}


def _counts(sums: Sums) -> dict[str, int]:
    return {
        "deliveries": sums.delivery,
        "hard_bounces": sums.hard_bounce,
        "soft_bounces": sums.soft_bounce,
        "other_bounces": sums.other_bounce,
        "refused": sums.refused,
        "counted_bounces": sums.counted_bounces,
        "complaints": sums.complaint,
        "repeated_bounces": sums.repeated_bounce,
        "repeated_complaints": sums.repeated_complaint,
        "paused": sums.paused,
        "blocked": sums.blocked,
    }


def _bounces(report: Report) -> dict[str, Any]:
    sums, unknown = report.total, report.outcomes_unknown_before
    return {
        "hard": sums.hard_bounce,
        "soft": sums.soft_bounce,
        "other": sums.other_bounce,
        "refused": sums.refused,
        "new": None if unknown else sums.new_bounces,
        "repeated": None if unknown else sums.repeated_bounce,
        "of_no_user": sums.unknown_bounce,
    }


def _complaints(report: Report) -> dict[str, Any]:
    sums, unknown = report.total, report.outcomes_unknown_before
    return {
        "all": sums.complaint,
        "new": None if unknown else sums.new_complaints,
        "repeated": None if unknown else sums.repeated_complaint,
        "of_no_user": sums.unknown_complaint,
    }


def _judged(judgement: Judgement) -> dict[str, Any]:
    return {
        "counted": judgement.counted,
        "rate": judgement.rate,
        "low": judgement.low,
        "high": judgement.high,
        "state": judgement.state.value,
        "certain": judgement.is_certain,
        "review_line": float(judgement.lines.review),
        "pause_line": float(judgement.lines.pause),
        "left_to_review": judgement.left_to_review,
        "left_to_pause": judgement.left_to_pause,
    }


def _ses(report: Report) -> dict[str, Any] | None:
    if report.ses is None:
        return None
    count = sum(report.ses.by_day.values()) if report.ses.by_day else None
    return {
        "sends": count,
        "source": report.ses.source.value,
        "problem": report.ses.problem or None,
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "kind": reason.kind,
        "name": reason.name,
        "meaning": reason.meaning,
        "count": reason.count,
        "share": reason.share,
    }


def _spender(spender: Spender) -> dict[str, Any]:
    return {
        "value": spender.value,
        "counted_bounces": spender.bounces,
        "share": spender.share,
        "complaints": spender.complaints,
    }


def _decision(found: Decision) -> dict[str, Any]:
    return {
        "at": found.at.isoformat(),
        "address": found.address,
        "what": "blocked" if found.blocked else "paused",
        "type": found.name,
        "status": found.status,
        "meaning": found.meaning,
    }


def _day(day: date | None) -> str | None:
    return str(day) if day else None


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
