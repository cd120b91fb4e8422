"""`ses-worker run`."""

import signal
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import HELP_SETTINGS, read_again, with_settings

if TYPE_CHECKING:
    from worker.settings import Settings


def _with_hangups_held_back(command: Callable[..., None]) -> Callable[..., None]:
    """Block an early SIGHUP, which would end the process, until `signals.caught` handles it."""

    @wraps(command)
    def wrapper(*arguments: Any, **options: Any) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        command(*arguments, **options)

    return wrapper


@click.command(context_settings=HELP_SETTINGS)
@_with_hangups_held_back
@with_settings
def run(settings: "Settings") -> None:
    """Run the worker until it is stopped: poll the queue, and keep the user records.

    After SIGTERM or SIGINT the worker finishes the messages that it holds, gives back those that
    still arrive, and exits, normally within queue.wait_seconds. A second signal does not wait for
    the long poll. In any case, no message is deleted from the queue before its commit. After
    SIGHUP the worker reads the settings again; policy, sns, eventbridge, notify, slack,
    suppression and log take effect at once.

    \b
    Example:
      SES_WORKER_QUEUE__URL=https://sqs.eu-west-1.amazonaws.com/111122223333/feedback \\
      ses-worker run
    """
    from worker.commands.run import run as run_daemon

    sys.exit(run_daemon(settings, read_again))
