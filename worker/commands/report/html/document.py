"""Puts the page together."""

from worker.commands.report.html.assets import chart_library, digest, own
from worker.commands.report.html.chart_data import chart_data
from worker.commands.report.html.markup import Html, element, joined, text
from worker.commands.report.html.sections import sections
from worker.core.reporting.report import Report

_SCRIPT = "page.js"
_STYLE = "page.css"


def html_of(report: Report) -> str:
    """Return the page.

    Raises:
        Refused: the chart library is not installed.

    """
    library, script, style = chart_library(), own(_SCRIPT), own(_STYLE)
    policy = (
        f"default-src 'none'; script-src {digest(library)} {digest(script)}; "
        f"style-src {digest(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    days = f"{report.since:%Y-%m-%d} to {report.made_at:%Y-%m-%d %H:%M} UTC"
    title = f"Bounces and complaints, {days}"
    head = joined(
        [
            Html('<meta charset="utf-8">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{text(policy)}">'),
            Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
            Html('<meta name="referrer" content="no-referrer">'),
            Html('<meta name="color-scheme" content="light dark">'),
            element("title", title),
            Html(f"<style>{style}</style>"),
        ]
    )
    body = joined(
        [
            element("header", element("h1", "Bounces and complaints"), element("p", days)),
            element("main", *sections(report)),
            element("footer", "Made by ses-feedback-worker. Charts: Chart.js (MIT licence)."),
            Html(f'<script type="application/json" id="figures">{chart_data(report)}</script>'),
            Html(f"<script>{library}</script>"),
            Html(f"<script>{script}</script>"),
        ]
    )
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'
