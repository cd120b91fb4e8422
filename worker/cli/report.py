"""`ses-worker report`: bounces and complaints against AWS's lines, and who causes them."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import HELP_SETTINGS, json_option, print_message, with_settings
from worker.cli.help import option

if TYPE_CHECKING:
    from worker.commands.report import AskSes, ReportRequest
    from worker.core.reporting.report import Report
    from worker.settings import Settings

_TAG = "tag:"
_BY = ("day", "type", "domain", "provider", "configuration-set", "tenant", "fault")
_MOST_DAYS = 3_660
_MOST_VALUES = 10_000


class _By(click.ParamType[str]):
    """One of `_BY`, or `tag:NAME`."""

    name = "WHAT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value as it is, if `by` accepts it."""
        if value == _TAG:
            self.fail("tag: needs the name of a tag, such as tag:campaign", param, ctx)
        if value not in _BY and not value.startswith(_TAG):
            self.fail(f"{value!r} is none of {', '.join(_BY)}, tag:NAME", param, ctx)
        return str(value)


@click.command(context_settings=HELP_SETTINGS)
@option(
    "--days",
    type=click.IntRange(1, _MOST_DAYS),
    default=30,
    help="Days (UTC) before today; today is added as far as it has come.",
)
@option(
    "--by",
    type=_By(),
    default="day",
    help=f"What the table is by: {', '.join(_BY)}, or tag:NAME.",
)
@option(
    "--top",
    type=click.IntRange(1, _MOST_VALUES),
    default=20,
    help="Lines of the table; all other values are added up as `other`. Days are not limited.",
)
@option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    show_default="none",
    help="Write a page with charts, in one file that needs no network; `-` is standard output.",
)
@option(
    "--csv",
    "csv_file",
    type=click.Path(path_type=Path, dir_okay=False),
    show_default="none",
    help="Write the table as CSV; `-` is standard output.",
)
@option(
    "--ses",
    is_flag=True,
    show_default="off",
    help="Ask SES how much was sent (ses:BatchGetMetricData, else ses:GetSendStatistics).",
)
@json_option
@with_settings
def report(
    settings: "Settings",
    *,
    days: int,
    by: str,
    top: int,
    html: Path | None,
    csv_file: Path | None,
    ses: bool,
    as_json: bool,
) -> None:
    """Show bounces and complaints against AWS's lines, why they happened, and who causes them.

    The figures are counted by the hour while messages are worked on; only a report by tag reads
    events one by one. The database is only read.

    \b
    Examples:
      ses-worker report
      ses-worker report --days 90 --by domain
      ses-worker report --days 365 --html report.html
    """
    from worker.commands.report import ReportRequest

    _check(html, csv_file, as_json=as_json)
    found = _made(settings, ReportRequest(days=days, by=by, top=top), ses=ses)
    if html:
        _write_html(html, found)
    if csv_file:
        _write_table(csv_file, found)
    if as_json:
        from worker.commands.report.figures import as_figures

        click.echo(json.dumps(as_figures(found)))
    elif not (html or csv_file):
        from worker.cli.report_text import show_report

        show_report(found)


def _check(html: Path | None, csv_file: Path | None, *, as_json: bool) -> None:
    for name, path in (("--html", html), ("--csv", csv_file)):
        if path and not path.name:
            raise click.UsageError(f"{name} needs the name of a file, or - for standard output")
    outputs = [str(path) for path in (html, csv_file) if path]
    if outputs.count("-") + as_json > 1:
        raise click.UsageError("only one of --html -, --csv - and --json can be standard output")
    if html and csv_file and html.resolve() == csv_file.resolve():
        raise click.UsageError("--html and --csv name the same file")


def _made(settings: "Settings", request: "ReportRequest", *, ses: bool) -> "Report":
    from worker.app import open_existing_store
    from worker.cli.progress import Progress
    from worker.commands.report import READ, make_report

    store = open_existing_store(settings, READ)
    ask = _asking_ses(settings) if ses else None
    with Progress(
        "Reading events", "quarters of days", enabled=request.by.startswith(_TAG)
    ) as progress:
        return make_report(store, request, datetime.now(UTC), ask_ses=ask, progress=progress.update)


def _asking_ses(settings: "Settings") -> "AskSes":
    from worker.app import region_of
    from worker.ses.account.metrics import SendMetrics

    return SendMetrics(region=region_of(settings)).ask


def _write_html(path: Path, found: "Report") -> None:
    from worker.cli.outfile import written
    from worker.commands.report.html import html_of

    document = html_of(found)
    with written(path) as file:
        file.write(document)
    if str(path) != "-":
        print_message(f"wrote the page {path}")


def _write_table(path: Path, found: "Report") -> None:
    from worker.cli.outfile import written
    from worker.commands.report.figures import cells_of

    with written(path) as file:
        csv.writer(file, lineterminator="\n").writerows(cells_of(found))
    if str(path) != "-":
        print_message(f"wrote the table {path}")
