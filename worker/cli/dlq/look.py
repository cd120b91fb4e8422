"""`ses-worker dlq list` and `show`."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from worker.cli.common import HELP_SETTINGS, json_option, print_message, with_settings
from worker.cli.dlq.options import filter_by, reason_option
from worker.cli.exits import Exit

if TYPE_CHECKING:
    from worker.settings import Settings


@click.command("list", context_settings=HELP_SETTINGS)
@reason_option
@json_option
@with_settings
def list_(settings: "Settings", reasons: tuple[str, ...], as_json: bool) -> None:
    """Group dead letters by place and reason, with ages and a masked sample of each group.

    Reading a dead-letter queue hides its dead letters from others for up to a minute; they are
    released at the end. At most 10,000 dead letters are read, for at most 30 s: beyond that, the
    list is a sample. The exit status is 4 if not all were read.

    \b
    Example:
      ses-worker dlq list --reason not_json
    """
    from worker.cli.dlq import groups as shown
    from worker.cli.progress import Progress
    from worker.commands.dlq.listing import look

    with Progress("list", "dead letters", enabled=not as_json) as progress:
        looked = look(settings, filter_by(reasons), progress.update)
    if as_json:
        click.echo(json.dumps(shown.groups_as_json(looked)))
    else:
        shown.show_groups(looked)
    _print_problems(looked.problems, interrupted=looked.interrupted)
    if shown.uncounted(looked):
        sys.exit(Exit.REMAIN)


@click.command(context_settings=HELP_SETTINGS)
@click.argument("message_id", metavar="MESSAGE_ID")
@json_option
@with_settings
def show(settings: "Settings", message_id: str, as_json: bool) -> None:
    """Show a dead letter: its reason, how it would be decoded today, its body.

    MESSAGE_ID is the id that `dlq list`, the log or Slack shows.

    \b
    Example:
      ses-worker dlq show 0f8f1ad2-5d6c-4f3c-9a53-2f0f5f0d7c11
    """
    from worker.cli.dlq.dead_letter import dead_letter_as_json, show_dead_letter
    from worker.cli.dlq.groups import not_found
    from worker.commands.dlq.listing import find
    from worker.core.errors import Refused

    looked = find(settings, message_id)
    if looked.dead_letter is None:
        _print_problems(looked.problems, interrupted=looked.interrupted)
        raise Refused(not_found(looked, message_id))
    fields = dead_letter_as_json(looked, looked.dead_letter, settings.as_policy().acceptance)
    if as_json:
        click.echo(json.dumps(fields))
    else:
        show_dead_letter(fields)


def _print_problems(problems: Sequence[Exception], *, interrupted: bool) -> None:
    """Report problems below a partial result, and exit with FAILED if there are any."""
    for problem in problems:
        print_message(problem)
    if interrupted:
        print_message("interrupted; the dead letters that were read are released")
    if problems or interrupted:
        sys.exit(Exit.FAILED)
