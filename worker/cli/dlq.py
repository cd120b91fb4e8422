"""`ses-worker dlq`: dead letters, and what to do about them."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from worker.cli.chosen import filter_by, ids_option, reason_option
from worker.cli.common import (
    HELP_SETTINGS,
    counted,
    json_option,
    print_message,
    require_terminal,
    with_settings,
)
from worker.cli.exits import Exit

if TYPE_CHECKING:
    from worker.settings import Settings

NOT_BY_SQS = "SQS moves all or nothing: no --reason, --message-id, --limit, --dry-run with --by-sqs"


@click.group(context_settings=HELP_SETTINGS)
def dlq() -> None:
    """Look at dead letters, replay them, delete them.

    They lie in SQS's dead-letter queue or, where there is none or it refuses one, in the table
    quarantine. A dead letter without a reason of ours has the reason max_receives: SQS's redrive
    policy moved it, because it was received too often.

    \b
    Example:
      ses-worker dlq list
    """


@dlq.command("list", context_settings=HELP_SETTINGS)
@reason_option
@json_option
@with_settings
def list_(settings: "Settings", reasons: tuple[str, ...], as_json: bool) -> None:
    """Group dead letters by place and reason, with their ages and a masked sample each.

    Looking hides the dead letters of a dead-letter queue from others, for a minute at most; they
    are given back at the end. Of more than 10,000, or after 30 s, what was examined is a sample.
    Where not all were seen, since others hold some or there are too many, it leaves with 4.

    \b
    Example:
      ses-worker dlq list --reason not_json
    """
    from worker.cli import dead_letters as shown
    from worker.cli.progress import Progress
    from worker.commands.dlq.listing import look

    with Progress("look", "dead letters", enabled=not as_json) as progress:
        looked = look(settings, filter_by(reasons), progress.update)
    if as_json:
        click.echo(json.dumps(shown.groups_as_json(looked)))
    else:
        shown.show_groups(looked)
    _print_problems(looked.problems, interrupted=looked.interrupted)
    if shown.uncounted(looked):
        sys.exit(Exit.REMAIN)


@dlq.command(context_settings=HELP_SETTINGS)
@click.argument("message_id", metavar="MESSAGE_ID")
@json_option
@with_settings
def show(settings: "Settings", message_id: str, as_json: bool) -> None:
    """Show a dead letter: its reason, how it would be decoded today, its body.

    MESSAGE_ID is that of `dlq list`, or that of the log and of Slack.

    \b
    Example:
      ses-worker dlq show 0f8f1ad2-5d6c-4f3c-9a53-2f0f5f0d7c11
    """
    from worker.cli.dead_letter import dead_letter_as_json, show_dead_letter
    from worker.cli.dead_letters import not_found
    from worker.commands.dlq.listing import find
    from worker.core.errors import Refused

    looked = find(settings, message_id)
    if looked.dead_letter is None:
        _print_problems(looked.problems, interrupted=looked.interrupted)
        raise Refused(not_found(looked, message_id))
    topics = settings.as_policy().topics
    fields = dead_letter_as_json(looked, looked.dead_letter, topics)
    if as_json:
        click.echo(json.dumps(fields))
    else:
        show_dead_letter(fields)


@dlq.command(context_settings=HELP_SETTINGS)
@reason_option
@ids_option
@click.option(
    "--limit", type=click.IntRange(min=1), show_default="no limit", help="Stop after so many."
)
@click.option("--dry-run", is_flag=True, show_default="off", help="Only print what would happen.")
@click.option(
    "--to-queue", is_flag=True, show_default="off", help="Send them back to queue.url instead."
)
@click.option(
    "--by-sqs", is_flag=True, show_default="off",
    help="With --to-queue: SQS itself moves the dead-letter queue, other queues' dead letters too.",
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
    """Work on dead letters as on any message, here and now; all of them, or those that are named.

    What is applied, a duplicate or ignored is deleted from where it lay, after its commit. What
    still cannot be processed stays there. Nothing is done twice: what a later event has made moot
    changes nothing, and effects that are done are not done again.

    With --to-queue dead letters are sent back to the queue instead, for whoever works on it; those
    that came from another queue only if they are named by their ids. That goes for both places;
    with --by-sqs the dead letters in quarantine are sent first, and SQS moves the others.

    A dry run leaves with 0 if it has examined all that is meant, with 4 if not.

    \b
    Example:
      ses-worker dlq replay --reason unknown_recipient --dry-run
    """
    from worker.cli import replayed as shown
    from worker.cli.progress import Progress
    from worker.cli.remarks import remarks
    from worker.commands.dlq import replaying

    filter_ = filter_by(reasons, ids)
    if by_sqs and not to_queue:
        raise click.UsageError("--by-sqs goes with --to-queue")
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


@dlq.command(context_settings=HELP_SETTINGS)
@reason_option
@ids_option
@click.option("--all", "every", is_flag=True, show_default="off", help="All of them.")
@click.option("--yes", is_flag=True, show_default="off", help="Do not ask.")
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
    """Delete dead letters for good; it asks first.

    \b
    Example:
      ses-worker dlq delete --reason foreign_topic --yes
    """
    from worker.cli.progress import Progress
    from worker.cli.remarks import missing, question, remaining
    from worker.cli.replayed import exit_status
    from worker.commands.dlq.deleting import Deletion

    filter_ = filter_by(reasons, ids)
    if every and not filter_.everything:
        raise click.UsageError("--all, or some by --reason and --message-id: not both")
    if not every and filter_.everything:
        raise click.UsageError("name dead letters by --reason or --message-id, or all with --all")
    require_terminal(yes=yes)
    deletion = Deletion(settings, filter_)
    known = None
    if not yes:
        with Progress("look", "dead letters", enabled=not as_json) as progress:
            known = deletion.look(lambda examined: progress.update(examined, examined))
    if known:
        click.confirm(question(deletion, known), abort=True, err=True)
    if known is None or known:
        with Progress("delete", "dead letters", enabled=not as_json) as progress:
            deletion.delete(known, lambda examined: progress.update(examined, examined))
    account, failure = deletion.account, deletion.failure
    figures = {"deleted": account.deleted, "remaining": account.still_there}
    click.echo(
        json.dumps(figures) if as_json else f"{counted(account.deleted, 'dead letter')} deleted"
    )
    for sentence in (*missing(account), *remaining(account, failure)):
        print_message(sentence)
    if failure:
        print_message(failure)
    sys.exit(exit_status(account, failure))


def _print_problems(problems: Sequence[Exception], *, interrupted: bool) -> None:
    """Partial results are shown; a place that could not be read is a failure."""
    for problem in problems:
        print_message(problem)
    if interrupted:
        print_message("interrupted; what was looked at is given back")
    if problems or interrupted:
        sys.exit(Exit.FAILED)
