"""`ses-worker events`."""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from worker.cli.common import HELP_SETTINGS, counted, plain, print_message, with_settings
from worker.cli.help import Group, option
from worker.cli.selecting import domain_option
from worker.cli.when import When
from worker.core.errors import WorkerError
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.exporting import EventFilter

_OUTPUT_FILE = click.Path(path_type=Path, dir_okay=False, readable=False, allow_dash=True)
_KINDS = ("bounce", "complaint", "reinstatement", "forgiveness")
_ROWS_BETWEEN_UPDATES = 1_000

Row = Mapping[str, Any]


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def events() -> None:
    """Export bounces and complaints.

    \b
    Example:
      ses-worker events export --since 7d --csv events.csv
    """


@events.command(context_settings=HELP_SETTINGS)
@option(
    "--since", type=When(), show_default="any time",
    help="Only what occurred then or later: a date, a time, 7d, 12h.",
)  # fmt: skip
@option("--until", type=When(), help="Only what occurred before.", show_default="now")
@option("--recipient", metavar="ADDRESS", show_default="any", help="Only about this address.")
@domain_option
@option(
    "--kind", "kinds", type=click.Choice(_KINDS), multiple=True, show_default="all",
    help="Only of these kinds.",
)  # fmt: skip
@option(
    "--csv",
    "csv_file",
    type=_OUTPUT_FILE,
    show_default="-",
    help="Write CSV to this file, or (-) to standard output, as without any option.",
)
@option(
    "--jsonl", "jsonl_file", type=_OUTPUT_FILE, show_default="off",
    help="Write a JSON object a line in its place.",
)  # fmt: skip
@with_settings
def export(
    settings: "Settings",
    /,
    csv_file: Path | None,
    jsonl_file: Path | None,
    **options: Any,
) -> None:
    """Write events with all their columns, in the order in which they occurred (UTC).

    Without --since these are all events on record. --since and --until find events by an index.
    --domain and --kind look at each event of that time.

    A file is replaced when the export is complete; after an error it is unchanged. Only its owner
    can read a new file. In CSV a text that a spreadsheet would run as a formula, because it
    begins with = + - or @, has an apostrophe before it. The database is only read, a little at a
    time, so the worker is not held up.

    \b
    Example:
      ses-worker events export --since 7d --csv events.csv
      ses-worker events export --since 2026-11-01 --until 2026-12-01 --kind complaint --jsonl -
    """
    from worker.app import open_existing_store
    from worker.cli.progress import Progress
    from worker.store.exporting import exported_events, needs_of

    if csv_file and jsonl_file:
        raise click.UsageError("--csv and --jsonl exclude each other")
    filter_ = _event_filter(**options)
    store = open_existing_store(settings, needs_of(filter_))
    file, write = (jsonl_file, _write_jsonl) if jsonl_file else (csv_file or Path("-"), _write_csv)
    print_message(f"exporting from {store.place}")
    count = 0

    def counting(progress: Progress) -> Iterator[Row]:
        nonlocal count
        for row in exported_events(store, filter_):
            yield plain(row)
            count += 1
            if count % _ROWS_BETWEEN_UPDATES == 0:
                progress.update(count, None)

    try:
        with as_interrupts(), Progress("export", "events") as progress:
            _write(file, write, counting(progress))
    except KeyboardInterrupt:
        kept = "" if str(file) == "-" else f"; {file} is as it was"
        raise WorkerError(f"interrupted after {counted(count, 'event')}{kept}") from None
    print_message(f"{counted(count, 'event')} exported")


def _event_filter(
    *,
    since: datetime | None,
    until: datetime | None,
    recipient: str | None,
    domain: str | None,
    kinds: tuple[str, ...],
) -> "EventFilter":
    from worker.core.address import parse_address
    from worker.store.exporting import EventFilter

    if since and until and since >= until:
        raise click.UsageError("--since must be before --until")
    address = parse_address(recipient) if recipient is not None else None
    if recipient is not None and address is None:
        raise click.BadParameter("is no usable address", param_hint="--recipient")
    return EventFilter(
        since=since,
        until=until or datetime.now(UTC),
        recipient=address.key if address else "",
        domain=domain or "",
        kinds=kinds,
    )


def _write(
    file: Path, write: Callable[[IO[str], Iterator[Row]], None], rows: Iterator[Row]
) -> None:
    from worker.cli.outfile import written

    with written(file) as out:
        write(out, rows)


def _write_csv(out: IO[str], rows: Iterator[Row]) -> None:
    from worker.commands.csv_export import with_guard
    from worker.store.exporting import EXPORTED

    table = csv.DictWriter(out, EXPORTED, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({name: with_guard(value) for name, value in row.items()})


def _write_jsonl(out: IO[str], rows: Iterator[Row]) -> None:
    for row in rows:
        out.write(f"{json.dumps({**row, 'tags': _tags(row['tags'])})}\n")


def _tags(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:  # written by somebody else
        return text
