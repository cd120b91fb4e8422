"""The figures that the page's charts draw, as JSON that no script tag can end. Pure."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from worker.core.masking import cut, printable
from worker.core.reporting.lines import FEWEST_MAILS
from worker.core.reporting.report import By, Reason, Report, Spender
from worker.core.reporting.sums import OTHER, Sums

LONGEST_LABEL = 60
"""Of a value in a chart or a table; the CSV file has all of it."""
MOST_BARS = 30
_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def chart_data(report: Report) -> str:
    """Return the figures of all charts."""
    return as_script_data(
        {
            "days": [str(day) for day in report.days],
            "hard": _series(report, lambda sums: sums.hard_bounce),
            "soft": _series(report, lambda sums: sums.soft_bounce),
            "other": _series(report, lambda sums: sums.other_bounce),
            "counted": _series(report, lambda sums: sums.counted_bounces),
            "complaints": _series(report, lambda sums: sums.complaint),
            "mails": [report.sends_by_day.get(day, 0) for day in report.days],
            "knownFrom": str(report.sends.since) if report.sends.since else None,
            "fewestMails": FEWEST_MAILS,
            "lines": {
                "bounces": [float(line) for line in _lines(report.bounces.lines)],
                "complaints": [float(line) for line in _lines(report.complaints.lines)],
            },
            "rows": [
                {
                    "name": label(row.value),
                    "hard": row.sums.hard_bounce,
                    "soft": row.sums.soft_bounce,
                    "complaints": row.sums.complaint,
                }
                for row in report.rows[:MOST_BARS]
                if row.value != OTHER
            ]
            if report.by != By.DAY
            else [],
            "reasons": [_reason(reason) for reason in report.reasons if reason.kind == "bounce"],
            "statuses": [_reason(reason) for reason in report.statuses],
            "spenders": {by.value: _spenders(found) for by, found in report.spenders.items()},
        }
    )


def as_script_data(value: Any) -> str:
    """Write JSON for a data block; no text in it can end the block or begin markup."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character, escaped in _UNSAFE.items():
        text = text.replace(character, escaped)
    return text


def label(text: str) -> str:
    """Write a value of a mail: short and printable."""
    return printable(cut(text.rstrip("/"), LONGEST_LABEL)) or "(none)"


def _series(report: Report, measure: Callable[[Sums], int]) -> list[int]:
    return [measure(report.by_day.get(day, Sums())) for day in report.days]


def _lines(lines: Any) -> tuple[Any, Any]:
    return lines.review, lines.pause


def _reason(reason: Reason) -> dict[str, object]:
    return {"name": label(reason.name), "meaning": reason.meaning, "count": reason.count}


def _spenders(found: Sequence[Spender]) -> list[dict[str, object]]:
    return [
        {"name": label(spender.value), "count": spender.bounces, "share": spender.share}
        for spender in found
        if spender.bounces and spender.value != OTHER
    ]
