"""`ses-worker db backup`."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.cli.common import HELP_SETTINGS, json_option, print_message, with_settings
from worker.core.errors import WorkerError
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store import Store
    from worker.store.backup import BackedUp

_NEW_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(context_settings=HELP_SETTINGS)
@click.argument("file", type=_NEW_FILE)
@json_option
@with_settings
def backup(settings: "Settings", file: Path, as_json: bool) -> None:
    """Copy the database into a new SQLite file, while workers go on.

    The copy has the state of a single moment. It is read back whole before it gets its name, and
    only its owner may read it. A file that exists is never replaced.

    From PostgreSQL the worker's tables are copied, and compared; `db copy` brings such a backup
    back. The right to read the tables is enough.

    The exit status is 0 if the backup is made, 1 if there is none.

    \b
    Example:
      ses-worker db backup /var/backups/ses-worker-monday.db
    """
    from worker.app import open_existing_store
    from worker.store.needs import to_read
    from worker.store.revision import OUR_TABLES

    store = open_existing_store(settings, to_read(*OUR_TABLES))
    began = time.monotonic()
    try:
        with as_interrupts():
            made = _made(store, file, shown=not as_json)
    except KeyboardInterrupt:
        raise WorkerError("interrupted; no backup was made") from None
    if as_json:
        figures = {
            "from": store.place,
            "file": made.file,
            "bytes": made.bytes,
            "revision": made.revision,
            "rows": made.rows,
            "elapsed_s": round(time.monotonic() - began, 3),
        }
        click.echo(json.dumps(figures))
        return
    named = ", ".join(f"{rows:,} {name}" for name, rows in made.rows.items() if rows)
    click.echo(
        f"backed up {store.place} to {made.file}, and read back: {made.bytes:,} bytes, "
        f"schema {made.revision}, {named or 'no rows'}"
    )


def _made(store: "Store", file: Path, *, shown: bool) -> "BackedUp":
    from worker.cli.progress import Progress
    from worker.store.backup import back_up
    from worker.store.sqlite import SqliteStore

    if shown:
        print_message(f"backing up {store.place}")
    unit = "bytes" if isinstance(store, SqliteStore) else "rows"
    with Progress("back up", unit, enabled=shown) as progress:
        return back_up(store, file, progress.update)
