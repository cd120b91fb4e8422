"""`ses-worker db`: the schema."""

import json
import sys
from typing import TYPE_CHECKING

import click

from worker.cli.common import HELP_SETTINGS, json_option, print_message, with_settings
from worker.cli.exits import Exit

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.migrate import SchemaStatus


@click.group(context_settings=HELP_SETTINGS)
def db() -> None:
    """Look after the database.

    \b
    Example:
      ses-worker db status
    """


@db.command(context_settings=HELP_SETTINGS)
@with_settings
def upgrade(settings: "Settings") -> None:
    """Bring an empty or older schema up to this program's.

    Only one process does it at a time; the others wait, and find it done.

    \b
    Example:
      ses-worker db upgrade
    """
    from worker.app import make_store
    from worker.store import ensure_schema

    store = make_store(settings)
    applied = ensure_schema(store, migrate=True)
    done = f"applied {', '.join(applied)}" if applied else "nothing to do"
    click.echo(f"{store.place}: {done}")


@db.command(context_settings=HELP_SETTINGS)
@json_option
@with_settings
def status(settings: "Settings", as_json: bool) -> None:
    """Show the database's schema revision and missing migrations; change nothing.

    The exit status is 0 if it is up to date, 1 if it lacks something or is not there, 78 if it
    is newer than this program.

    \b
    Example:
      ses-worker db status --json
    """
    from worker.app import make_store
    from worker.store import no_database
    from worker.store.migrate import status as look

    store = make_store(settings)
    found = look(store)
    if as_json:
        figures = {
            "store": store.place,
            "revision": found.revision,
            "pending": found.pending,
            "newer": found.newer,
        }
        click.echo(json.dumps(figures))
    else:
        click.echo(f"{store.place}: {_described(found)}")
    if found.revision is None:
        print_message(no_database(store))
    sys.exit(_exit(found))


def _described(found: "SchemaStatus") -> str:
    if found.newer:
        return f"schema {found.revision}, newer than this program"
    if found.pending:
        return f"schema {found.revision or 'none'}, lacks {', '.join(found.pending)}"
    return f"schema {found.revision}, up to date"


def _exit(found: "SchemaStatus") -> Exit:
    if found.newer:
        return Exit.MISCONFIGURED
    return Exit.FAILED if found.pending else Exit.DONE
