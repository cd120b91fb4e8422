"""`ses-worker db`: shows, upgrades, backs up and copies the database."""

import json
import sys
from typing import TYPE_CHECKING

import click

from worker.cli.backing_up import backup
from worker.cli.common import HELP_SETTINGS, json_option, print_message, with_settings
from worker.cli.copying import copy
from worker.cli.exits import Exit
from worker.cli.help import Group

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.migrate import SchemaStatus


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def db() -> None:
    """Show and upgrade the database, back it up, or copy it into another.

    \b
    Example:
      ses-worker db status
    """


db.add_command(backup)
db.add_command(copy)


@db.command(context_settings=HELP_SETTINGS)
@with_settings
def upgrade(settings: "Settings") -> None:
    """Upgrade an empty or older schema to this program's.

    Only one process does this at a time; the others wait until it is done.

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

    The exit status is 0 if the schema is up to date, 1 if migrations are missing or there is no
    schema, 78 if it is newer than this program.

    \b
    Example:
      ses-worker db status --json
    """
    from worker.app import make_store
    from worker.store import no_database
    from worker.store.migrate import status as look
    from worker.store.needs import to_read

    store = make_store(settings, to_read())
    schema = look(store)
    if as_json:
        figures = {
            "store": store.place,
            "revision": schema.revision,
            "pending": schema.pending,
            "newer": schema.newer,
        }
        click.echo(json.dumps(figures))
    else:
        click.echo(f"{store.place}: {_described(schema)}")
    if schema.revision is None:
        print_message(no_database(store))
    sys.exit(_exit(schema))


def _described(schema: "SchemaStatus") -> str:
    if schema.newer:
        return f"schema {schema.revision}, newer than this program"
    if schema.pending:
        return f"schema {schema.revision or 'none'}, lacks {', '.join(schema.pending)}"
    return f"schema {schema.revision}, up to date"


def _exit(schema: "SchemaStatus") -> Exit:
    if schema.newer:
        return Exit.MISCONFIGURED
    return Exit.FAILED if schema.pending else Exit.DONE
