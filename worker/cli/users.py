"""`ses-worker users`."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import click

from worker.cli.answer import answer_of, reinstating, undo_of
from worker.cli.called import as_called
from worker.cli.checking import check
from worker.cli.common import (
    HELP_SETTINGS,
    json_option,
    plain,
    print_message,
    with_settings,
)
from worker.cli.exits import Exit
from worker.cli.forgetting import forget
from worker.cli.help import Group, option
from worker.cli.reinstating import reinstate
from worker.cli.removing import remove
from worker.cli.user_lists import export, list_
from worker.core.errors import Refused, WorkerError
from worker.core.masking import printable
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store import Store


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def users() -> None:
    """Import, list, check, export, reinstate, remove and forget people.

    \b
    Example:
      ses-worker users list --paused
    """


users.add_command(list_)
users.add_command(check)
users.add_command(export)
users.add_command(forget)
users.add_command(reinstate)
users.add_command(remove)


@users.command("import", context_settings=HELP_SETTINGS)
@click.argument("file", type=click.File("r", encoding="utf-8-sig", errors="surrogateescape"))
@option(
    "--ignore-record", is_flag=True, show_default="off",
    help="Begin the records of new users empty, whatever is on record about them.",
)  # fmt: skip
@json_option
@with_settings
def import_(settings: "Settings", file: IO[str], ignore_record: bool, as_json: bool) -> None:
    """Import users from a CSV file, or from - for standard input.

    The header is email[,account_id][,metrics_enabled], or the file comes from `users export`.
    Existing users get the values of these columns; what feedback has made of them does not
    change. A user that an exported file creates is as it was exported, pause and block included.
    Of several rows for a person the last is used. Importing a file again changes nothing.

    A new user of a list gets the record that follows from the events on record: a bounce between
    sign-up and import, or a complaint of last week, pauses or blocks the user. With
    --ignore-record, or policy.begin_with_record = false, these events count for nothing, now and
    when records are rebuilt.

    A new user who was forgotten before stays blocked, or paused as long as that lasts.

    Invalid rows are skipped and reported with their line number, and make the exit status 1.
    The first 20 are printed, with --json all of them.

    \b
    Example:
      ses-worker users import users.csv
    """
    from worker.app import open_ready_store
    from worker.cli.importing import NewUsers, RefusedRows, with_progress
    from worker.cli.progress import Progress
    from worker.store.users import Imported, import_users

    store = open_ready_store(settings)
    new_users = NewUsers(store)
    if not as_json:
        print_message(f"importing into {store.place}")
    counts, refused = Imported(), RefusedRows(show_all=as_json)
    try:
        with as_interrupts(), Progress("import", "bytes", enabled=not as_json) as progress:
            rows = refused.sorted_out(with_progress(file, progress))
            begins_empty = ignore_record or not settings.policy.begin_with_record
            policy = None if begins_empty else settings.as_policy()
            privacy_key = settings.privacy.privacy_key
            for so_far in import_users(store, rows, policy, privacy_key):
                counts = so_far
    except KeyboardInterrupt:
        raise WorkerError(
            f"interrupted; {counts.rows:,} rows are in, importing again is safe"
        ) from None
    refused.conclude()
    figures = {
        "created": counts.created,
        "updated": counts.updated,
        "unchanged": counts.unchanged,
        "refused": refused.count,
    }
    sentence = ", ".join(f"{count:,} {name}" for name, count in figures.items())
    new_users.show(counts)
    on_record = {
        "with_events": counts.with_events,
        "folded": counts.folded,
        "folded_barred": counts.barred,
        "forgotten_before": counts.forgotten,
    }
    click.echo(json.dumps(figures | on_record) if as_json else sentence)
    sys.exit(Exit.FAILED if refused.count else Exit.DONE)


@users.command(context_settings=HELP_SETTINGS)
@click.argument("address")
@json_option
@with_settings
def show(settings: "Settings", address: str, as_json: bool) -> None:
    """Show the record of a user, however the address is spelled.

    \b
    Example:
      ses-worker users show jane@example.com
    """
    from worker.app import open_existing_store
    from worker.core.address import parse_address
    from worker.store.answers import READ, verdict_on
    from worker.store.users import find_user

    parsed = parse_address(address)
    if parsed is None:
        raise click.BadParameter("is no usable address", param_hint="ADDRESS")
    store = open_existing_store(settings, READ)
    user = find_user(store, parsed.key)
    if user is None:
        verdict = verdict_on(store, parsed.key, settings.privacy.privacy_key)
        if verdict.forgotten_at:
            raise Refused(answer_of(parsed.key, verdict, cause=None))
        raise Refused(f"{parsed.key} is not among the users in {store.place}")
    if as_json:
        click.echo(json.dumps(plain(user)))
        return
    print_message(f"reading {store.place}")
    for name, value in plain(user).items():
        click.echo(f"{name + ':':<20} {'' if value is None else printable(str(value))}".rstrip())
    _show_undo(settings, store, user)


def _show_undo(settings: "Settings", store: "Store", user: Mapping[str, Any]) -> None:
    """Print the command that lifts the user's pause and block, as `why` does, if either is set."""
    until = user["paused_until"]
    is_barred = user["auto_block_spam"] or (until and until > datetime.now(UTC))
    if is_barred and (undo := _undo(settings, store, user["email_key"])):
        click.echo(f"to lift it:          {as_called(undo)}")


def _undo(settings: "Settings", store: "Store", key: str) -> str:
    """Return the command of `why`; without the right to read events, that for the user alone."""
    from worker.store.history import history_of

    try:
        history = history_of(store, key, privacy_key=settings.privacy.privacy_key)
    except WorkerError:
        return reinstating(key)
    return undo_of(key, history.verdict, history.events, history.removals)
