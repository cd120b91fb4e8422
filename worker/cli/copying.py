"""`ses-worker db copy`."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from worker.cli.common import (
    HELP_SETTINGS,
    json_option,
    print_message,
    with_settings,
)
from worker.cli.help import option
from worker.core.errors import Misconfigured, WorkerError
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store import Store
    from worker.store.copying import TableCopied

_NEXT = (
    "next: set store.url to the new database, and start the worker. Start none with the old "
    "database: it would deliver the effects that wait in its outbox once more"
)


@click.command(context_settings=HELP_SETTINGS)
@option(
    "--to", "url", required=True, metavar="URL",
    help="The new database: postgresql://USER@HOST/DATABASE or sqlite:///PATH. With - the URL is "
    "read from standard input, so that no list of processes shows its password.",
)  # fmt: skip
@json_option
@with_settings
def copy(settings: "Settings", url: str, as_json: bool) -> None:
    """Copy all of the database of store.url into an empty database, as from SQLite to PostgreSQL.

    Stop the worker before, and start it with the new store.url afterwards; messages wait in the
    queue meanwhile. Users, events, effects, quarantine, removals and the policy are copied with
    their ids. The copy is compared with the old database before it counts. If anything goes wrong,
    the new database stays empty, and the copy can be started again. The old database is not
    changed.

    The exit status is 0 if everything was copied, 1 if nothing was: a worker has the old database
    open, the new database is not empty, or one of them is unavailable.

    \b
    Example:
      ses-worker db copy --to postgresql://ses_worker@db.example.com/ses
    """
    from worker.app import open_existing_store

    source = open_existing_store(settings)
    began = time.monotonic()
    target = _opened(url, source)
    try:
        with as_interrupts():
            tables = _copied(source, target, shown=not as_json)
    except KeyboardInterrupt:
        raise WorkerError("interrupted; nothing was copied") from None
    if as_json:
        figures = _figures(source, target, tables) | {
            "elapsed_s": round(time.monotonic() - began, 3)
        }
        click.echo(json.dumps(figures))
    else:
        named = ", ".join(f"{table.rows:,} {table.name}" for table in tables if table.rows)
        click.echo(
            f"copied from {source.place} to {target.place}, and compared: {named or 'no rows'}"
        )
        print_message(_NEXT)


def _copied(source: "Store", target: "Store", *, shown: bool) -> "Sequence[TableCopied]":
    from worker.cli.progress import Progress
    from worker.store import copying

    with _about_the_option():
        copying.require_copyable(source, target)
    if foreign := copying.not_ours(source):
        print_message(f"not copied, since the worker has no such columns: {', '.join(foreign)}")
    if shown:
        print_message(f"copying from {source.place} to {target.place}")
    with Progress("copy and compare", "rows", enabled=shown) as progress:
        return copying.copy(source, target, progress.update)


def _figures(
    source: "Store", target: "Store", tables: "Sequence[TableCopied]"
) -> dict[str, object]:
    return {
        "from": source.place,
        "to": target.place,
        "rows": sum(table.rows for table in tables),
        "tables": {table.name: {"rows": table.rows, "digest": table.digest} for table in tables},
    }


def _opened(url: str, source: "Store") -> "Store":
    from worker.settings.work import database_url
    from worker.store import open_store

    if url == "-":
        url = sys.stdin.readline().strip()
    try:
        with _about_the_option():
            target = open_store(database_url(url))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to") from error
    except Misconfigured as error:
        if isinstance(error.__cause__, ImportError):
            raise
        raise click.BadParameter(str(error).removeprefix("--to "), param_hint="--to") from error
    if target.place == source.place:
        raise click.BadParameter("is the database of store.url", param_hint="--to")
    return target


@contextmanager
def _about_the_option() -> Iterator[None]:
    """Name the option, and not the setting, in errors about the new database."""
    try:
        yield
    except WorkerError as error:
        raise type(error)(str(error).replace("store.url", "--to")) from error.__cause__
