"""`ses-worker dlq replay`."""

import json
import sys
from typing import TYPE_CHECKING

import click

from worker.cli.common import HELP_SETTINGS, json_option, print_message, with_settings
from worker.cli.dlq.options import filter_by, ids_option, reason_option
from worker.cli.help import option

if TYPE_CHECKING:
    from worker.settings import Settings

NOT_BY_SQS = (
    "--by-sqs moves the whole queue: it cannot be combined with --reason, --message-id, --limit or "
    "--dry-run"
)


@click.command(context_settings=HELP_SETTINGS)
@reason_option
@ids_option
@option(
    "--limit", type=click.IntRange(min=1), show_default="no limit",
    help="Stop after this many dead letters.",
)  # fmt: skip
@option("--dry-run", is_flag=True, show_default="off", help="Only print what would happen.")
@option(
    "--to-queue", is_flag=True, show_default="off",
    help="Send dead letters back to queue.url instead of processing them here.",
)  # fmt: skip
@option(
    "--by-sqs", is_flag=True, show_default="off",
    help="With --to-queue: let SQS move the whole dead-letter queue, with other queues' dead "
    "letters.",
)  # fmt: skip
@json_option
@with_settings
def replay(
    settings: "Settings",
    *,
    reasons: tuple[str, ...],
    ids: tuple[str, ...],
    limit: int | None,
    dry_run: bool,
    to_queue: bool,
    by_sqs: bool,
    as_json: bool,
) -> None:
    """Process dead letters again, here and now: all, or those selected by reason or id.

    A dead letter that is applied, a duplicate or ignored is deleted from its place after the
    commit. A dead letter that still cannot be processed stays there. No event is counted twice and
    no effect is repeated; an event that later events have superseded changes nothing.

    With --to-queue, dead letters are sent back to the queue, for the worker that polls it. Those
    that came from another queue are sent only if they are named by id. With --by-sqs the command
    sends the dead letters in quarantine, and SQS moves the others.

    A dry run exits with 0 if it has examined all selected dead letters, and with 4 if not.

    \b
    Example:
      ses-worker dlq replay --reason unknown_recipient --dry-run
    """
    from worker.cli.dlq import replayed as shown
    from worker.cli.dlq.remarks import remarks
    from worker.cli.progress import Progress
    from worker.commands.dlq import replaying

    filter_ = filter_by(reasons, ids)
    if by_sqs and not to_queue:
        raise click.UsageError("--by-sqs requires --to-queue")
    if by_sqs and not (filter_.everything and limit is None and not dry_run):
        raise click.UsageError(NOT_BY_SQS)
    plan = replaying.Plan(
        filter_=filter_, limit=limit, dry_run=dry_run, to_queue=to_queue, by_sqs=by_sqs
    )
    with Progress("replay", "dead letters", enabled=not as_json) as progress:
        replayed = replaying.replay(settings, plan, progress.update)
    if as_json:
        click.echo(json.dumps(shown.figures(replayed, plan)))
    else:
        shown.show(replayed, plan)
    for sentence in remarks(replayed, plan):
        print_message(sentence)
    if replayed.failure:
        print_message(replayed.failure)
    sys.exit(shown.status(replayed, plan))
