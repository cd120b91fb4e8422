"""`ses-worker db`: the schema."""

import json
from typing import TYPE_CHECKING

import click

from worker.cli.common import PAGE, json_option, with_settings

if TYPE_CHECKING:
    from worker.settings import Settings


@click.group(context_settings=PAGE)
def db() -> None:
    """Look after the database.

    \b
    Example:
      ses-worker db status
    """


@db.command(context_settings=PAGE)
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


@db.command(context_settings=PAGE)
@json_option
@with_settings
def status(settings: "Settings", as_json: bool) -> None:
    """Tell which schema the database has, and what it lacks; change nothing.

    \b
    Example:
      ses-worker db status --json
    """
    from worker.app import make_store
    from worker.store.migrate import status as look

    store = make_store(settings)
    found = look(store)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "store": store.place,
                    "revision": found.revision,
                    "pending": found.pending,
                    "newer": found.newer,
                }
            )
        )
    elif found.newer:
        click.echo(f"{store.place}: schema {found.revision}, newer than this program")
    elif found.pending:
        lacking = ", ".join(found.pending)
        click.echo(f"{store.place}: schema {found.revision or 'none'}, lacks {lacking}")
    else:
        click.echo(f"{store.place}: schema {found.revision}, up to date")
