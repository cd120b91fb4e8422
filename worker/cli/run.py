"""`ses-worker run`."""

import sys
from typing import TYPE_CHECKING

import click

from worker.cli.common import PAGE, read_again, with_settings

if TYPE_CHECKING:
    from worker.settings import Settings


@click.command(context_settings=PAGE)
@with_settings
def run(settings: "Settings") -> None:
    """Work until stopped: long-poll the queue and keep the user records.

    SIGTERM or SIGINT finishes what has been received, hands back what still arrives and leaves,
    after queue.wait_seconds at the latest when all is well; a second signal does not wait for the
    long poll. Nothing is deleted from the queue before its commit, however it ends. SIGHUP reads
    the settings again: policy, sns, notify, slack, suppression and log change at once.

    \b
    Example:
      SES_WORKER_QUEUE__URL=https://sqs.eu-west-1.amazonaws.com/111122223333/feedback \\
      ses-worker run
    """
    from worker.daemon import run as run_daemon

    sys.exit(run_daemon(settings, read_again))
