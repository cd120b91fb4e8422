"""`ses-worker db`: shows, upgrades, backs up, copies and purges the database."""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import msgspec

from worker.cli.backing_up import backup
from worker.cli.common import HELP_SETTINGS, json_option, plain, print_message, with_settings
from worker.cli.copying import copy
from worker.cli.exits import Exit
from worker.cli.help import Group, option
from worker.cli.purging import purge
from worker.cli.words import moment
from worker.core.errors import Unavailable

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store import Store
    from worker.store.condition import Condition
    from worker.store.migrate import SchemaStatus


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def db() -> None:
    """Show and upgrade the database, back it up, copy it into another, or purge what is old.

    \b
    Example:
      ses-worker db status
    """


db.add_command(backup)
db.add_command(copy)
db.add_command(purge)


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
@option(
    "--integrity", is_flag=True, show_default="off",
    help="Read the whole SQLite file, and show what is damaged; it may take minutes.",
)  # fmt: skip
@json_option
@with_settings
def status(settings: "Settings", integrity: bool, as_json: bool) -> None:
    """Show schema, size, rows and the age of the events; change nothing.

    The exit status is 0 if the schema is up to date, 1 if migrations are missing, there is no
    schema, or the file is damaged, 78 if the schema is newer than this program.

    \b
    Example:
      ses-worker db status --integrity
    """
    from worker.app import make_store
    from worker.store import no_database
    from worker.store.condition import READ
    from worker.store.migrate import status as look

    store = make_store(settings, READ)
    schema = look(store)
    exit_status = _exit(schema)
    condition, problems = None, None
    if exit_status is Exit.DONE:
        condition, problems = _condition(store)
        if integrity:
            problems = _problems(store)
    if as_json:
        figures = {
            "store": store.place,
            "revision": schema.revision,
            "pending": schema.pending,
            "newer": schema.newer,
            "condition": plain(msgspec.structs.asdict(condition)) if condition else None,
            "problems": problems,
            "retention": _retention(settings, store) if condition else None,
        }
        click.echo(json.dumps(figures))
    else:
        click.echo(f"{store.place}: {_described(schema)}")
        for line in _lines(condition, problems):
            click.echo(line)
        if condition:
            click.echo(_kept(settings, store))
    if schema.revision is None:
        print_message(no_database(store))
    sys.exit(Exit.FAILED if problems else exit_status)


def _condition(store: "Store") -> "tuple[Condition | None, list[str] | None]":
    """Return the figures, and what is damaged if that is why there are none."""
    from worker.store.condition import condition_of, is_damage

    try:
        return condition_of(store), None
    except Unavailable as error:  # perhaps only the schema may be read
        print_message(f"sizes are not known: {error}")
        return None, [str(error)] if is_damage(error.__cause__) else None


def _retention(settings: "Settings", store: "Store") -> dict[str, Any]:
    from worker.store.purge_state import read_state

    periods = settings.retention
    finished_at = read_state(store).finished_at
    return {
        "events_days": periods.events_days,
        "messages_days": periods.messages_days,
        "keys_days": periods.keys_days,
        "last_purge": finished_at.isoformat() if finished_at else None,
    }


def _kept(settings: "Settings", store: "Store") -> str:
    from worker.store.purge_state import read_state

    finished_at = read_state(store).finished_at
    last = f"last purge {moment(finished_at)} UTC" if finished_at else "never purged"
    return f"{settings.retention.in_words}; {last}"


def _problems(store: "Store") -> list[str] | None:
    from worker.store.condition import problems_of

    problems = problems_of(store)
    if problems is None:
        print_message("--integrity: PostgreSQL checks its own files (pg_amcheck)")
    return problems


def _lines(condition: "Condition | None", problems: list[str] | None) -> Iterator[str]:
    if condition:
        sizes = [f"{condition.bytes:,} bytes"]
        if condition.unused_bytes is not None:
            sizes.append(f"{condition.unused_bytes:,} of them free for new rows")
        if condition.wal_bytes is not None:
            sizes.append(f"{condition.wal_bytes:,} more in the -wal")
        yield ", ".join(sizes)
        yield "rows: " + ", ".join(f"{count:,} {name}" for name, count in condition.rows.items())
        if condition.oldest_event and condition.newest_event:
            oldest, newest = map(moment, (condition.oldest_event, condition.newest_event))
            yield f"events from {oldest} to {newest} UTC"
    if problems is not None:
        yield f"damaged: {'; '.join(problems)}" if problems else "sound: the whole file was read"


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
