"""`ses-worker policy`: tries another policy on the events on record; computes records anew."""

import click

from worker.cli.common import HELP_SETTINGS
from worker.cli.help import Group
from worker.cli.policy.diff import diff
from worker.cli.policy.rebuild import rebuild


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def policy() -> None:
    """Try another policy on the events on record, and compute records anew.

    \b
    Example:
      ses-worker policy diff --set policy.soft_bounce_pause_days=3
    """


policy.add_command(diff)
policy.add_command(rebuild)
