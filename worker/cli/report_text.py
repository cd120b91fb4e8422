"""A report on a terminal: sentences, plots and tables; in a pipe without colours and plots."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from worker.cli.called import as_called
from worker.cli.common import counted
from worker.cli.plots import bar, sparkline
from worker.cli.screen import put, put_widest, screen, table_of
from worker.core.masking import cut, printable
from worker.core.reporting.lines import Judgement, State
from worker.core.reporting.report import By, Decision, Reason, Report, Row
from worker.core.reporting.sums import Sums
from worker.core.reporting.words import (
    budget,
    not_known_before,
    notes,
    percent,
    rate_of,
    since_day,
    verdict,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_LABEL = 12
_LONGEST_VALUE = 40
_MOST_DAYS = 31
"""Days that have a line each; of a longer time the newest."""
_COLOURS = {
    State.BELOW: "green", State.NEAR: "yellow", State.REVIEW: "bold red", State.PAUSE: "bold red",
}  # fmt: skip
_WIDEST = ("mails", "hard", "soft", "other", "compl.", "hard %", "compl. %", "share")
_NARROWER = (
    _WIDEST,
    ("mails", "hard", "soft", "compl.", "hard %", "compl. %"),
    ("mails", "hard", "compl.", "hard %"),
    ("hard", "compl."),
)
_BAR = 16
_NARROWEST = 8
"""Characters of a plot, however narrow the terminal is; its line is wrapped then."""


def show_report(report: Report) -> None:
    """Print a report."""
    out = screen()
    put(out, _title(report))
    if report.is_empty:
        put(out, "\nNothing was counted in these days.")
    else:
        _show_rates(out, report)
        _show_over_time(out, report)
        _show_people(out, report)
        _show_reasons(out, report)
        _show_spenders(out, report)
        _show_rows(out, report)
        _show_newest(out, report.newest)
    _show_notes(out, report)


def _title(report: Report) -> str:
    days = counted(len(report.days) - 1, "day")
    return (
        f"Bounces and complaints from {report.since:%Y-%m-%d} to {report.made_at:%Y-%m-%d %H:%M} "
        f"UTC: {days} and today"
    )


def _show_rates(out: "Console", report: Report) -> None:
    put(out, "")
    for label, what, judgement in (
        ("Bounces", "hard bounces", report.bounces),
        ("Complaints", "complaints", report.complaints),
    ):
        _put_coloured(out, label, verdict(what, judgement, since_day(report)), judgement)
        if left := budget(what, judgement):
            put(out, left, indent=_LABEL)


def _put_coloured(out: "Console", label: str, text: str, judgement: Judgement) -> None:
    from rich.text import Text

    put(out, Text(text, style=_COLOURS.get(judgement.state, "")), head=label, indent=_LABEL)


def _show_over_time(out: "Console", report: Report) -> None:
    if not out.is_terminal:
        return
    put(out, f"\nBy day, {report.days[0]} to {report.days[-1]}")
    series: Sequence[tuple[str, Callable[[Sums], int]]] = (
        ("hard", lambda sums: sums.hard_bounce),
        ("soft", lambda sums: sums.soft_bounce),
        ("complaints", lambda sums: sums.complaint),
    )
    for label, measure in series:
        _put_series(out, label, [measure(report.by_day.get(d, Sums())) for d in report.days])
    if report.sends_by_day:
        _put_series(out, "mails", [report.sends_by_day.get(day, 0) for day in report.days])


def _put_series(out: "Console", label: str, counts: Sequence[int]) -> None:
    line = sparkline(counts, max(_NARROWEST, out.width - _LABEL - 24))
    put(out, f"{line} at most {max(counts):,} a day", head=label, indent=_LABEL)


def _show_people(out: "Console", report: Report) -> None:
    put(out, "")
    unknown = not_known_before(report)
    texts = _people_unknown(report.total, unknown) if unknown else _people(report.total)
    for label, text in texts:
        put(out, text, head=label, indent=_LABEL)


def _people(sums: Sums) -> Sequence[tuple[str, str]]:
    pauses, blocked = counted(sums.paused, "pause"), counted(sums.blocked, "user")
    return (
        ("Bounces", _parts(sums.new_bounces, sums.repeated_bounce, sums.unknown_bounce)),
        (
            "Complaints",
            _parts(sums.new_complaints, sums.repeated_complaint, sums.unknown_complaint),
        ),
        ("Outcome", f"{pauses} begun or prolonged, {blocked} blocked"),
    )


def _people_unknown(sums: Sums, unknown: str) -> Sequence[tuple[str, str]]:
    """Show what is known of people where a part of the report has no figures on them."""
    whose = f"of users for the first time, and repeated: {unknown}"
    return (
        ("Bounces", f"{sums.bounces:,}, {sums.unknown_bounce:,} of no user; {whose}"),
        ("Complaints", f"{sums.complaint:,}, {sums.unknown_complaint:,} of no user; {whose}"),
        ("Outcome", f"pauses begun or prolonged, and users blocked: {unknown}"),
    )


def _parts(new: int, repeated: int, unknown: int) -> str:
    return f"{new:,} of users for the first time, {repeated:,} repeated, {unknown:,} of no user"


def _show_reasons(out: "Console", report: Report) -> None:
    parts = (
        ("Why mail bounced, by SES", [r for r in report.reasons if r.kind == "bounce"]),
        ("Why mail bounced, by the mail servers' status codes", report.statuses),
        ("Reasons of complaints", [r for r in report.reasons if r.kind == "complaint"]),
    )
    for title, found in parts:
        if found:
            put(out, f"\n{title}")
        for reason in found:
            _put_reason(out, reason)


def _put_reason(out: "Console", reason: Reason) -> None:
    drawn = f" {bar(reason.share, _BAR)} " if out.is_terminal and out.width > 100 else " "
    head = f"{reason.count:>9,} {percent(reason.share, 1):>7}{drawn}"
    name = printable(cut(reason.name.rstrip("/"), _LONGEST_VALUE)) or "none given"
    meaning = f": {reason.meaning}" if reason.meaning else ""
    put(out, f"{name}{meaning}", head=head, indent=len(head))


def _show_spenders(out: "Console", report: Report) -> None:
    titles = {
        By.DOMAIN: "domain", By.CONFIGURATION_SET: "configuration set", By.TENANT: "tenant",
    }  # fmt: skip
    shown = {
        title: found
        for by, title in titles.items()
        if (found := report.spenders.get(by)) and any(spender.value for spender in found)
    }
    if shown:
        put(out, "\nWho causes the hard bounces that AWS counts")
    for title, found in shown.items():
        texts = [
            f"{_value(spender.value)} {percent(spender.share, 1)} ({spender.bounces:,})"
            for spender in found
            if spender.bounces
        ]
        put(out, ", ".join(texts), head=f"by {title}", indent=_LABEL + 10)


def _show_rows(out: "Console", report: Report) -> None:
    rows = report.rows[:_MOST_DAYS] if report.by == By.DAY else report.rows
    if not rows:
        return
    left_out = len(report.rows) - len(rows)
    put(out, f"\nBy {_named(report.by)}{_about(report)}")
    whole = sum(row.sums.hard_bounce for row in report.rows)
    cells = [_cells(row, report, whole) for row in rows]
    if not put_widest(out, (_table(report, cells, columns) for columns in _NARROWER)):
        for row in cells:
            put(out, f"{row['']}: hard {row['hard']}, complaints {row['compl.']}")
    if left_out:
        put(out, f"and {counted(left_out, 'earlier day')}: --csv FILE and --json have all.")


def _about(report: Report) -> str:
    """Name the days that the mails and rates of the table are about, if not all. Days name them."""
    has_mails = any(row.bounces.state is not State.UNKNOWN for row in report.rows)
    if report.by == By.DAY or not (has_mails and report.rates_since):
        return ""
    return f"; mails and rates{since_day(report)}, all else since {report.days[0]}"


def _named(by: str) -> str:
    return printable(cut(by, _LONGEST_VALUE)).replace("-", " ")


def _table(report: Report, cells: Sequence[dict[str, str]], columns: Sequence[str]) -> "Table":
    names = [name for name in columns if _is_useful(name, cells)]
    return table_of(
        (_named(report.by), *names),
        ([row[""], *(row[name] for name in names)] for row in cells),
        right="|".join(name for name in names if name != "share"),
    )


def _is_useful(name: str, cells: Sequence[dict[str, str]]) -> bool:
    """Return whether a column says anything."""
    return name in {"hard", "soft", "compl."} or any(row[name] not in {"", "-"} for row in cells)


def _cells(row: Row, report: Report, whole: int) -> dict[str, str]:
    sums = row.sums
    share = sums.hard_bounce / whole if whole else 0.0
    known = row.bounces.state is not State.UNKNOWN
    return {
        "": _value(row.value),
        "mails": f"{row.bounces.sends:,}" if known else "",
        "hard": f"{sums.hard_bounce:,}",
        "soft": f"{sums.soft_bounce:,}",
        "other": f"{sums.other_bounce:,}" if sums.other_bounce else "",
        "compl.": f"{sums.complaint:,}",
        "hard %": rate_of(row.bounces).removesuffix(" %"),
        "compl. %": rate_of(row.complaints).removesuffix(" %"),
        "share": "" if report.by == By.DAY else f"{percent(share, 1):>7} {bar(share, _BAR)}",
    }


def _value(value: str) -> str:
    return printable(cut(value.rstrip("/"), _LONGEST_VALUE)) or "(none)"


def _show_newest(out: "Console", newest: Sequence[Decision]) -> None:
    if newest:
        put(out, "\nPaused or blocked last (UTC)")
    for found in newest:
        done = "blocked" if found.blocked else "paused"
        head = f"{found.at:%Y-%m-%d %H:%M}  {done:<8}"
        address = printable(cut(found.address, _LONGEST_VALUE * 2)) or "no address"
        why = " ".join(filter(None, (printable(cut(found.name, _LONGEST_VALUE)), found.status)))
        put(out, f"{address}: {why}", head=head, indent=len(head))


def _show_notes(out: "Console", report: Report) -> None:
    put(out, "")
    for note in notes(report):
        put(out, as_called(note))
