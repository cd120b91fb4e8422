"""`ses-worker db backup`."""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from worker.cli.common import HELP_SETTINGS, json_option, print_message, with_settings
from worker.core.errors import Refused, WorkerError
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store import Store
    from worker.store.backup import BackedUp

_NEW_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
_STANDARD_OUTPUT = Path("-")


@click.command(context_settings=HELP_SETTINGS)
@click.argument("file", type=_NEW_FILE)
@json_option
@with_settings
def backup(settings: "Settings", file: Path, as_json: bool) -> None:
    """Copy the database into a new SQLite file, or with - to standard output, while workers go on.

    The copy has the state of a single moment. It is read back whole before it gets its name, and
    only its owner may read it. A file that exists is never replaced.

    A SQLite file may have an older schema, so that it can be backed up before an upgrade.
    From PostgreSQL the worker's tables are copied, and compared; `db copy` brings such a backup
    back. The right to read the tables is enough.

    For - the copy is made beside the database first, which takes as much room there.

    The exit status is 0 if the backup is made, 1 if there is none.

    \b
    Example:
      ses-worker db backup /var/backups/ses-worker-monday.db
    """
    from worker.app import make_store
    from worker.store.needs import to_read
    from worker.store.revision import OUR_TABLES

    to_output = file == _STANDARD_OUTPUT
    if to_output and (as_json or sys.stdout.isatty()):
        raise click.BadParameter(
            "writes the backup to standard output: redirect that to a file, without --json",
            param_hint="-",
        )
    store = make_store(settings, to_read(*OUR_TABLES))
    _require_database(store)
    began = time.monotonic()
    try:
        with as_interrupts():
            made = (_printed if to_output else _made)(store, file, shown=not as_json)
    except KeyboardInterrupt:
        raise WorkerError("interrupted; no backup was made") from None
    if as_json:
        elapsed = round(time.monotonic() - began, 3)
        figures = msgspec.to_builtins(made) | {"from": store.place, "elapsed_s": elapsed}
        click.echo(json.dumps(figures))
        return
    rows = ", ".join(f"{rows:,} {name}" for name, rows in made.rows.items() if rows) or "no rows"
    to = "standard output" if to_output else made.file
    click.echo(
        f"backed up {store.place} to {to}, and read back: {made.bytes:,} bytes, "
        f"schema {made.revision}, {rows}",
        err=to_output,
    )


def _require_database(store: "Store") -> None:
    """Accept any schema of a SQLite file, such as before an upgrade; else this program's."""
    from worker.store import no_database, require_schema
    from worker.store.sqlite import SqliteStore

    if not isinstance(store, SqliteStore):
        require_schema(store)
    elif store.revision() is None:
        raise Refused(no_database(store))


def _made(store: "Store", file: Path, *, shown: bool) -> "BackedUp":
    from worker.cli.progress import Progress
    from worker.store.backup import back_up
    from worker.store.sqlite import SqliteStore

    if shown:
        print_message(f"backing up {store.place}")
    unit = "bytes" if isinstance(store, SqliteStore) else "rows"
    with Progress("back up", unit, enabled=shown) as progress:
        return back_up(store, file, progress.update)


def _printed(store: "Store", _: Path, *, shown: bool) -> "BackedUp":
    from worker.store.sqlite import SqliteStore

    beside = store.path.parent if isinstance(store, SqliteStore) else None
    with tempfile.TemporaryDirectory(prefix=".ses-worker-", dir=beside) as folder:
        file = Path(folder, "backup.db")
        made = _made(store, file, shown=shown)
        with file.open("rb") as copy:
            shutil.copyfileobj(copy, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return made
