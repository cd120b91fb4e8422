"""`ses-worker dlq`: lists, replays and deletes dead letters."""

import click

from worker.cli.common import HELP_SETTINGS
from worker.cli.dlq.delete import delete
from worker.cli.dlq.look import list_, show
from worker.cli.dlq.replay import replay
from worker.cli.help import Group


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def dlq() -> None:
    """List, show, replay and delete dead letters.

    Dead letters are in SQS's dead-letter queue, or in the table quarantine if there is no such
    queue or it refused them. The reason max_receives means that SQS moved the message itself, by
    its redrive policy, because it was received too often; all other reasons are the worker's.

    \b
    Example:
      ses-worker dlq list
    """


for _command in (list_, show, replay, delete):
    dlq.add_command(_command)
