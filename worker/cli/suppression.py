"""`ses-worker suppression`: undo removals from the SES suppression list."""

import sys
from typing import TYPE_CHECKING

import click

from worker.cli.common import HELP_SETTINGS, with_settings
from worker.cli.exits import Exit
from worker.cli.help import Group

if TYPE_CHECKING:
    from worker.settings import Settings


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def suppression() -> None:
    """Undo removals from the SES suppression list.

    \b
    Example:
      ses-worker suppression restore jane@example.com
    """


@suppression.command(context_settings=HELP_SETTINGS)
@click.argument("address")
@with_settings
def restore(settings: "Settings", address: str) -> None:
    """Put a removed address back on the list, for its former reason.

    An address that is listed already stays unchanged. SES sets a new date.

    \b
    Example:
      ses-worker suppression restore jane@example.com
    """
    from worker.app import open_existing_store
    from worker.app.effects import restore as put_back
    from worker.core.address import parse_address

    parsed = parse_address(address)
    if parsed is None:
        raise click.BadParameter("is no usable address", param_hint="ADDRESS")
    restored = put_back(settings, open_existing_store(settings), parsed.key)
    if restored is None:
        click.echo(f"ses-worker: this worker has not removed {parsed.key} from the list", err=True)
        sys.exit(Exit.FAILED)
    click.echo(restored.message)
    sys.exit(Exit.DONE if restored.entry else Exit.FAILED)
