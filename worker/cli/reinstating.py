"""`ses-worker users reinstate`."""

import getpass
import json
import os
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from worker.cli.address_lines import AddressLines
from worker.cli.common import HELP_SETTINGS, json_option, print_message, with_settings
from worker.cli.exits import Exit
from worker.cli.help import option
from worker.core.errors import WorkerError
from worker.core.masking import printable
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store import Store
    from worker.store.reinstating import Lifting, Reinstatement

LONGEST_REASON = 500
_LONGEST_NAME = 64
_MAY_STILL_REFUSE = (
    "SES may still refuse mail: it lists hard bounces and complaints on its own, and "
    "--also-suppression-list takes an address off its suppression list, too"
)
_LONGEST_TENANT = 64
"""SES's own limit (`TenantName` of SES v2)."""


def _is_sentence(_: click.Context, __: click.Parameter, value: str) -> str:
    text = value.strip()
    if not text:
        raise click.BadParameter("is empty: give the reason, which the history keeps")
    if not text.isprintable() or len(text) > LONGEST_REASON:
        raise click.BadParameter(f"must be a line of at most {LONGEST_REASON} characters")
    return text


def _is_tenant(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not (value.strip() and value.isprintable()):
        raise click.BadParameter("must be the name of a tenant")
    if value is not None and len(value) > _LONGEST_TENANT:
        raise click.BadParameter(f"has more than {_LONGEST_TENANT} characters")
    return value


@click.command(context_settings=HELP_SETTINGS)
@click.argument("address")
@option("--reason", required=True, callback=_is_sentence, help="Why; it is kept in the history.")
@option(
    "--also-suppression-list",
    is_flag=True,
    show_default="off",
    help="Take it off SES's suppression list, too: off the account's list.",
)
@option(
    "--tenant",
    metavar="NAME",
    callback=_is_tenant,
    show_default="the account's list",
    help="With --also-suppression-list: off the list of this tenant instead.",
)
@option("--dry-run", is_flag=True, show_default="off", help="Only show what would be lifted.")
@json_option
@with_settings
def reinstate(
    settings: "Settings",
    *,
    address: str,
    reason: str,
    also_suppression_list: bool,
    tenant: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Lift pause and block of an address, or with - of all on standard input, one a line.

    The list may also be CSV with a header that has a column email.

    Mail may go there again at once. Counts and dates stay, and the history keeps who did it and
    why. An event from before now that arrives later changes nothing of it; a newer bounce or
    complaint pauses or blocks again. An address that is no user becomes a user.

    SES refuses mail to an address on its own suppression list. With --also-suppression-list the
    address leaves that list, too, whatever put it there and whatever suppression.remove says: you
    decide. Each takes SES about four seconds. What cannot be done now waits in the outbox for a
    running worker or the next drain. An address that is neither paused nor blocked is taken off
    all the same.

    An address that is neither paused nor blocked is named, and left alone. A dry run names all
    addresses, and why mail does not go there. The exit status is 1 if a line is no address, or an
    address is not known to be off SES's list.

    \b
    Example:
      ses-worker users reinstate jane@example.com --reason "her provider fixed its server"
      ses-worker users reinstate - --reason "outage of example.com" < addresses.txt
      ses-worker users reinstate jane@example.com --reason "she wrote to us" \\
        --also-suppression-list
    """
    from worker.app import open_existing_store, region_of
    from worker.cli.off_list import OffList
    from worker.store.reinstating import Lifting

    if tenant is not None and not also_suppression_list:
        raise click.UsageError("--tenant needs --also-suppression-list")
    off_list = (tenant or "") if also_suppression_list else None
    if off_list is not None:
        region_of(settings)  # before anything is written
    lines = AddressLines(address, show_all=as_json)
    lifting = Lifting(
        who=_caller(), why=reason, dry_run=dry_run, policy=settings.as_policy(), off_list=off_list
    )
    store = open_existing_store(settings)
    work = _Reinstating(store, lines, lifting, shown=not as_json)
    try:
        with as_interrupts():
            work.go_through()
    except KeyboardInterrupt:
        raise WorkerError(f"interrupted; {work.interrupted}") from None
    listed = OffList(settings, store, work.removals, tenant=tenant, shown=not as_json)
    if work.removals:
        if not as_json:
            click.echo(work.sentence)
        with as_interrupts():
            listed.deliver(lines)
    if as_json:
        more = {} if off_list is None else {"suppression_list": listed.figures}
        click.echo(json.dumps(work.figures | more))
    else:
        click.echo(listed.sentence if work.removals else work.sentence)
        if off_list is None and (work.lifted or lines.is_single):
            print_message(_MAY_STILL_REFUSE)
    sys.exit(Exit.FAILED if lines.refused or not listed.is_off_the_list else Exit.DONE)


def _caller() -> str:
    """Return the account that calls; of a command run by sudo or the service's wrapper, theirs."""
    try:
        own = getpass.getuser()
    except (KeyError, OSError):  # an account without a name
        own = str(os.getuid())
    caller = os.environ.get("CALLED_BY") or os.environ.get("SUDO_USER") or own
    return printable(caller)[:_LONGEST_NAME]


class _Reinstating:
    """Lifts pauses and blocks, and counts them."""

    def __init__(
        self, store: "Store", lines: AddressLines, lifting: "Lifting", *, shown: bool
    ) -> None:
        self._store = store
        self._lines = lines
        self._lifting = lifting
        self._shown = shown
        self.lifted = self.free = 0
        self._created = self._blocked = 0
        self.removals: dict[int, str] = {}
        """The addresses that are to leave SES's list, by the outbox id of the removal."""

    @property
    def figures(self) -> dict[str, Any]:
        return {
            "reinstated": self.lifted,
            "blocked": self._blocked,
            "paused": self.lifted - self._blocked,
            "created": self._created,
            "not_barred": self.free,
            "refused": self._lines.refused,
            "dry_run": self._lifting.dry_run,
        }

    @property
    def sentence(self) -> str:
        done = "would be reinstated" if self._lifting.dry_run else "reinstated"
        parts = [f"{self._blocked:,} blocked", f"{self.lifted - self._blocked:,} paused"]
        if self._created:
            parts.append(f"{self._created:,} not among the users before")
        found = f" ({', '.join(parts)})" if self.lifted else ""
        listed = ""
        if self._lifting.dry_run and self._lifting.off_list is not None:
            listed = f"; {self.lifted + self.free:,} would be taken off SES's suppression list"
        return (
            f"{self.lifted:,} {done}{found}, {self.free:,} neither paused nor blocked, "
            f"{self._lines.refused:,} refused{listed}"
        )

    @property
    def interrupted(self) -> str:
        """What is done after an interrupt."""
        removals = f", and {len(self.removals):,} removals wait" if self.removals else ""
        return f"{self.lifted:,} addresses are reinstated{removals}"

    def go_through(self) -> None:
        """Go through the lines, a transaction's worth at a time."""
        from worker.cli.progress import Progress
        from worker.store.reinstating import reinstate
        from worker.store.users import ROWS_IN_A_STATEMENT

        addresses = self._lines.addresses()
        with Progress("reinstate", "addresses", enabled=self._shown) as progress:
            while batch := list(islice(addresses, ROWS_IN_A_STATEMENT)):
                for result in reinstate(self._store, batch, self._lifting):
                    self._count(result)
                progress.update(self.lifted + self.free, None)

    def _count(self, result: "Reinstatement") -> None:
        if result.removal is not None:
            self.removals[result.removal] = result.key
        if result.reason is None:
            self.free += 1
            if self._lines.is_single or result.removal is None:
                self._lines.show(f"{result.key} is neither paused nor blocked")
            return
        self.lifted += 1
        self._created += not (result.was_user or result.was_forgotten)
        self._blocked += result.until is None
        if self._shown and (self._lines.is_single or self._lifting.dry_run):
            until = result.until and f"paused until {result.until:%Y-%m-%d %H:%M} UTC"
            was = "is" if self._lifting.dry_run else "was"
            print_message(f"{result.key} {was} {until or 'blocked'} ({result.reason})")
