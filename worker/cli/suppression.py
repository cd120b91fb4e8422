"""`ses-worker suppression`: undo removals from the SES suppression list."""

import sys
from typing import TYPE_CHECKING

import click

from worker.cli.common import HELP_SETTINGS, print_message, with_settings
from worker.cli.exits import Exit
from worker.cli.help import Group, option
from worker.core.masking import printable

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
@option(
    "--tenant", metavar="NAME", help="Only on the list of this tenant.", show_default="any list"
)
@option("--account", is_flag=True, help="Only on the account's list.", show_default="off")
@with_settings
def restore(settings: "Settings", address: str, tenant: str | None, account: bool) -> None:
    """Put a removed address back on the list, for its former reason.

    If it was on several lists, the account's and those of tenants, the list is meant from which it
    was removed last. An address that is listed already stays unchanged. SES sets a new date.

    \b
    Example:
      ses-worker suppression restore jane@example.com
      ses-worker suppression restore jane@example.com --tenant acme
    """
    from worker.app import open_existing_store
    from worker.app.effects import restore as put_back
    from worker.core.address import parse_address

    if account and tenant is not None:
        raise click.UsageError("--account and --tenant exclude each other")
    parsed = parse_address(address)
    if parsed is None:
        raise click.BadParameter("is no usable address", param_hint="ADDRESS")
    store = open_existing_store(settings)
    restored = put_back(settings, store, parsed.key, "" if account else tenant)
    if restored is None:
        which = f"the list of tenant {tenant}" if tenant else "the list"
        print_message(f"this worker has not removed {parsed.key} from {which}")
        sys.exit(Exit.FAILED)
    click.echo(printable(restored.message))
    sys.exit(Exit.DONE if restored.entry else Exit.FAILED)
