"""The sections of the page. Pure."""

from collections.abc import Iterator, Sequence
from datetime import date

from worker.commands.report.html.chart_data import label
from worker.commands.report.html.markup import Html, breakable, element, joined, table
from worker.commands.report.html.rates import rates
from worker.core.masking import mask_addresses
from worker.core.reporting.lines import FEWEST_MAILS, State
from worker.core.reporting.report import By, Decision, Reason, Report, Row, Spender
from worker.core.reporting.sums import OTHER, Sums
from worker.core.reporting.words import not_known_before, notes, percent, rate_of, since_day

MOST_LINES = 200
"""Of a table: a page has at most 2 MB. `--csv` has all."""
MOST_DAYS = 400
_ON_PEOPLE = 4
"""From this of `_numbers` on they are about people: paused, blocked."""
_FEW = f"no point where fewer than {FEWEST_MAILS:,} mails were sent"
_BY = {By.DOMAIN: "domain", By.CONFIGURATION_SET: "configuration set", By.TENANT: "tenant"}


def sections(report: Report) -> Iterator[Html]:
    """Yield the sections in their order."""
    if report.is_empty:
        yield element("p", "Nothing was counted in these days.", class_="empty")
    else:
        yield rates(report)
        yield _facts(report)
        yield _over_time(report)
        yield from _reasons(report)
        yield from _spenders(report)
        yield from _rows(report)
        yield from _newest(report)
    yield _notes(report)


def _facts(report: Report) -> Html:
    sums = report.total
    mails = f"{report.sends.count:,}" if report.sends.count is not None else "unknown"
    unknown = not_known_before(report)

    def on_people(count: int) -> str:
        return unknown or f"{count:,}"

    facts = (
        (f"mails sent{since_day(report)}", mails),
        ("hard bounces", f"{sums.hard_bounce:,}"),
        ("of them refused by SES itself", f"{sums.refused:,}"),
        ("soft bounces", f"{sums.soft_bounce:,}"),
        ("complaints", f"{sums.complaint:,}"),
        ("pauses begun or prolonged", on_people(sums.paused)),
        ("users blocked", on_people(sums.blocked)),
        ("bounces of users for the first time", on_people(sums.new_bounces)),
        ("repeated bounces", on_people(sums.repeated_bounce)),
        ("bounces of no user", f"{sums.unknown_bounce:,}"),
        ("repeated complaints", on_people(sums.repeated_complaint)),
    )
    items = (
        element("div", element("dd", count, class_=_kind(count)), element("dt", name))
        for name, count in facts
    )
    return element("section", element("h2", "In figures"), element("dl", *items))


def _kind(count: str) -> str | None:
    """Name the class of a figure that is words: smaller letters."""
    return None if count[:1].isdigit() else "words"


def _over_time(report: Report) -> Html:
    charts = [
        _chart("bounces", "Bounces over time, by kind"),
        _chart("complaints", "Complaints over time"),
    ]
    if any(report.sends_by_day.values()):
        charts[:0] = [
            _chart(
                "bounce-rate",
                f"Rate of the hard bounces that AWS counts, with AWS's lines; {_FEW}",
            ),
            _chart("complaint-rate", f"Rate of complaints, with AWS's lines; {_FEW}"),
        ]
    ranges = element("div", id="ranges", class_="ranges", role="group", aria_label="Days shown")
    heads = ("day", "mails", "hard", "soft", "other", "complaints", "paused", "blocked")
    rows = (
        (
            str(day),
            f"{report.sends_by_day[day]:,}" if day in report.sends_by_day else "",
            *_figures_of(report, day),
        )
        for day in reversed(report.days[-MOST_DAYS:])
    )
    return element(
        "section",
        element("h2", "Over time"),
        ranges,
        element("div", *charts, class_="charts"),
        _details("The figures of each day", table(heads, rows, 1)),
        _more(len(report.days) - MOST_DAYS, "days"),
    )


def _figures_of(report: Report, day: date) -> Sequence[str]:
    """Write the figures of a day; those on people are empty where they are not known."""
    numbers = list(_numbers(report.by_day.get(day, Sums())))
    if report.knows_outcomes_of(day):
        return numbers
    return [*numbers[:_ON_PEOPLE], *([""] * (len(numbers) - _ON_PEOPLE))]


def _numbers(sums: Sums) -> Iterator[str]:
    for count in (
        sums.hard_bounce, sums.soft_bounce, sums.other_bounce, sums.complaint, sums.paused,
        sums.blocked,
    ):  # fmt: skip
        yield f"{count:,}"


def _reasons(report: Report) -> Iterator[Html]:
    bounces = [reason for reason in report.reasons if reason.kind == "bounce"]
    complaints = [reason for reason in report.reasons if reason.kind == "complaint"]
    parts = []
    if bounces:
        parts += [_chart("reasons", "Bounces by SES's type"), _reason_table("type", bounces)]
    if report.statuses:
        parts += [
            _chart("statuses", "Bounces by the mail servers' status codes"),
            _reason_table("status code", report.statuses),
        ]
    if complaints:
        parts += [element("h3", "Complaints"), _reason_table("feedback type", complaints)]
    if parts:
        yield element("section", element("h2", "Why"), *parts)


def _reason_table(name: str, found: Sequence[Reason]) -> Html:
    rows = (
        (breakable(label(r.name)), r.meaning or "not known", f"{r.count:,}", percent(r.share, 1))
        for r in found
    )
    return table((name, "in words", "count", "share"), rows, 2)


def _spenders(report: Report) -> Iterator[Html]:
    found = {
        by: spenders
        for by in _BY
        if (spenders := [s for s in report.spenders.get(by, ()) if s.bounces])
        and any(s.value for s in spenders)
    }
    if not found:
        return
    charts = (
        _chart(f"spenders-{by.value}", f"By {_BY[by]}{_others(spenders)}")
        for by, spenders in found.items()
    )
    rows = (
        (_BY[by], label(s.value), f"{s.bounces:,}", percent(s.share, 1), f"{s.complaints:,}")
        for by, spenders in found.items()
        for s in spenders
    )
    heads = ("by", "value", "hard bounces", "share", "complaints")
    yield element(
        "section",
        element("h2", "Who causes the hard bounces that AWS counts"),
        element("div", *charts, class_="charts three"),
        _details("The figures", table(heads, rows, 2)),
    )


def _others(found: Sequence[Spender]) -> str:
    """Describe what the chart leaves out: a long bar that would make all others short."""
    rest = sum(spender.bounces for spender in found if spender.value == OTHER)
    return f" (all others together: {rest:,})" if rest else ""


def _rows(report: Report) -> Iterator[Html]:
    if report.by == By.DAY or not report.rows:
        return
    name = label(report.by).replace("-", " ")
    since = since_day(report)

    def with_since(head: str) -> Html:
        return joined([head, element("span", since, class_="since") if since else ""])

    rest = " (without all others)" if any(row.value == OTHER for row in report.rows) else ""
    heads = (
        name, with_since("mails"), "hard", "soft", "other", "complaints",
        with_since("bounce rate"), with_since("complaint rate"),
    )  # fmt: skip
    yield element(
        "section",
        element("h2", f"By {name}"),
        _chart("rows", f"Bounces and complaints by {name}{rest}"),
        table(heads, map(_row, report.rows[:MOST_LINES]), 1),
        _more(len(report.rows) - MOST_LINES, "lines"),
    )


def _more(count: int, what: str) -> Html:
    if count <= 0:
        return Html("")
    return element("p", f"{count:,} more {what} are in the CSV file (--csv).", class_="hint")


def _row(row: Row) -> tuple[str, ...]:
    known = row.bounces.state is not State.UNKNOWN
    hard, soft, other, complaints, *_ = _numbers(row.sums)
    return (
        label(row.value),
        f"{row.bounces.sends:,}" if known else "",
        hard,
        soft,
        other,
        complaints,
        rate_of(row.bounces),
        rate_of(row.complaints),
    )


def _newest(report: Report) -> Iterator[Html]:
    if not report.newest:
        return
    rows = (
        (
            element("time", f"{found.at:%Y-%m-%d %H:%M}", class_="whole"),
            "blocked" if found.blocked else "paused",
            mask_addresses(label(found.address)),
            _why(found),
        )
        for found in report.newest
    )
    yield element(
        "section",
        element("h2", "Paused or blocked last"),
        table(("time (UTC)", "what", "who", "why"), rows, 4),
        element("p", "Addresses are masked here; ses-worker report shows them.", class_="hint"),
    )


def _why(found: Decision) -> Html:
    name = " ".join(filter(None, (label(found.name), found.status)))
    return joined([breakable(name), f": {found.meaning}" if found.meaning else ""])


def _notes(report: Report) -> Html:
    lines = [element("li", note) for note in notes(report)]
    return element("section", element("h2", "How to read this"), element("ul", *lines))


def _chart(name: str, title: str) -> Html:
    canvas = element("canvas", data_chart=name, role="img", aria_label=title)
    return element(
        "figure",
        element("figcaption", title),
        element("div", canvas, class_="canvas"),
        class_=f"chart {name}",
    )


def _details(title: str, content: Html) -> Html:
    return element("details", element("summary", title), joined([content]))
