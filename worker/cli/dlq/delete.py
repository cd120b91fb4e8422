"""`ses-worker dlq delete`."""

import json
import sys
from typing import TYPE_CHECKING

import click

from worker.cli.common import (
    HELP_SETTINGS,
    counted,
    json_option,
    print_message,
    require_terminal,
    with_settings,
)
from worker.cli.dlq.options import filter_by, ids_option, reason_option
from worker.cli.help import option

if TYPE_CHECKING:
    from worker.settings import Settings


@click.command(context_settings=HELP_SETTINGS)
@reason_option
@ids_option
@option("--all", "every", is_flag=True, show_default="off", help="Delete all dead letters.")
@option("--yes", is_flag=True, show_default="off", help="Do not ask for confirmation.")
@json_option
@with_settings
def delete(
    settings: "Settings",
    *,
    reasons: tuple[str, ...],
    ids: tuple[str, ...],
    every: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete dead letters for good, after a confirmation.

    \b
    Example:
      ses-worker dlq delete --reason foreign_topic --yes
    """
    from worker.cli.dlq.remarks import missing, question, remaining
    from worker.cli.dlq.replayed import exit_status
    from worker.cli.progress import Progress
    from worker.commands.dlq.deleting import Deletion

    filter_ = filter_by(reasons, ids)
    if every and not filter_.everything:
        raise click.UsageError("--all cannot be combined with --reason or --message-id")
    if not every and filter_.everything:
        raise click.UsageError("select dead letters by --reason or --message-id, or use --all")
    require_terminal(yes=yes)
    deletion = Deletion(settings, filter_)
    known = None
    if not yes:
        with Progress("count", "dead letters", enabled=not as_json) as progress:
            known = deletion.look(lambda examined: progress.update(examined, examined))
    if known:
        click.confirm(question(deletion, known), abort=True, err=True)
    if known is None or known:
        with Progress("delete", "dead letters", enabled=not as_json) as progress:
            deletion.delete(known, lambda examined: progress.update(examined, examined))
    account, failure = deletion.account, deletion.failure
    figures = {"deleted": account.deleted, "remaining": account.not_processed}
    click.echo(
        json.dumps(figures) if as_json else f"{counted(account.deleted, 'dead letter')} deleted"
    )
    for sentence in (*missing(account), *remaining(account, failure)):
        print_message(sentence)
    if failure:
        print_message(failure)
    sys.exit(exit_status(account, failure))
