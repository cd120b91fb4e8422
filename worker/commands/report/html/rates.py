"""The rates on the page, each with a scale that has AWS's lines. Pure."""

from worker.commands.report.html.markup import Html, element
from worker.core.reporting.lines import Judgement, State
from worker.core.reporting.report import Report
from worker.core.reporting.words import (
    STATES,
    between,
    budget,
    percent,
    rate_of,
    since_day,
    verdict,
)

_SCALE = 1.25
"""The scale of a rate ends this far behind the line for a pause."""


def rates(report: Report) -> Html:
    """Return the section on AWS's lines."""
    return element(
        "section",
        element("h2", "Against AWS's lines"),
        element(
            "div",
            _rate("Bounces", "hard bounces", report.bounces, since_day(report)),
            _rate("Complaints", "complaints", report.complaints, since_day(report)),
            class_="cards",
        ),
    )


def _rate(title: str, what: str, judgement: Judgement, since: str) -> Html:
    state = STATES[judgement.state]
    is_judged = judgement.state not in {State.UNKNOWN, State.TOO_FEW}
    shown = element("strong", rate_of(judgement) if is_judged else state, class_="figure")
    parts = [
        element("h3", title),
        element("p", shown, *([" ", element("span", state, class_="state")] if is_judged else [])),
        _scale(judgement),
        element("p", verdict(what, judgement, since)),
    ]
    if left := budget(what, judgement):
        parts.append(element("p", left, class_="left"))
    return element("article", *parts, class_=f"card {judgement.state.value}")


def _scale(judgement: Judgement) -> Html:
    """Draw a rate between 0 and a little more than the line for a pause."""
    if judgement.rate is None:
        return Html("")
    end = float(judgement.lines.pause) * _SCALE
    lines = (("review", judgement.lines.review), ("pause", judgement.lines.pause))
    marks = "".join(
        f'<line class="{name}" x1="{_at(float(line), end)}" x2="{_at(float(line), end)}" y1="0" '
        f'y2="14"/><text class="{name}" x="{_at(float(line), end)}" y="25">'
        f"{name} {percent(float(line), 1)}</text>"
        for name, line in lines
    )
    low, high = judgement.low or 0.0, judgement.high or 0.0
    width = max(0.6, _at(high, end) - _at(low, end))
    drawn = (
        f'<rect class="ground" x="0" y="3" width="300" height="8" rx="4"/>'
        f'<rect class="value" x="0" y="3" width="{_at(judgement.rate, end)}" height="8" rx="4"/>'
        f'<rect class="interval" x="{_at(low, end)}" y="5.5" width="{width:.1f}" height="3"/>'
    )
    name = f"{percent(judgement.rate)}, between {between(judgement)}"
    return Html(
        f'<svg viewBox="0 0 300 28" role="img" aria-label="{name}">'
        f"<title>{name}</title>{drawn}{marks}</svg>"
    )


def _at(rate: float, end: float) -> float:
    return round(min(rate, end) / end * 300, 1)
