"""`ses-worker subscription`: subscriptions of the queue to topics."""

import json
import sys
from typing import TYPE_CHECKING

import click

from worker.cli.common import HELP_SETTINGS, json_option, with_settings
from worker.cli.help import Group, option
from worker.core.masking import printable

if TYPE_CHECKING:
    from worker.settings import Settings


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def subscription() -> None:
    """Confirm subscriptions of the queue to topics.

    \b
    Example:
      ses-worker subscription confirm 0f8f1ad2-5d6c-4f3c-9a53-2f0f5f0d7c11
    """


@subscription.command(context_settings=HELP_SETTINGS)
@click.argument("message_id", metavar="MESSAGE_ID|-")
@option(
    "--topic",
    metavar="ARN",
    help="The topic; its token is read from standard input, given as -.",
    show_default="that of the dead letter",
)
@json_option
@with_settings
def confirm(settings: "Settings", message_id: str, topic: str | None, as_json: bool) -> None:
    """Confirm a subscription that waits for it, with your own AWS credentials.

    MESSAGE_ID is a dead letter with the reason subscription_confirmation; it stays, to be deleted.
    The topic must be in sns.topic_arns. SNS is called; the address in the message is not.

    \b
    Example:
      ses-worker subscription confirm 0f8f1ad2-5d6c-4f3c-9a53-2f0f5f0d7c11
      ses-worker subscription confirm --topic arn:aws:sns:eu-west-1:111122223333:feedback - < token
    """
    from worker.commands import subscription as command

    if topic is None:
        if message_id == "-":
            raise click.UsageError("a token on standard input needs --topic")
        topic, token = command.confirmation_in(settings, message_id)
    else:
        if message_id != "-":
            raise click.UsageError("with --topic the token is read from standard input: use -")
        token = sys.stdin.read(command.LONGEST_TOKEN + 2).strip()
    arn = command.confirm(settings, topic, token)
    if as_json:
        click.echo(json.dumps({"topic": topic, "subscription": arn}))
    else:
        click.echo(printable(f"confirmed: {arn or topic}"))
