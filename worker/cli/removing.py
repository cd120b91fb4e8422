"""`ses-worker users remove`."""

import json
import sys
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import click

from worker.cli.address_lines import AddressLines
from worker.cli.common import HELP_SETTINGS, json_option, with_settings
from worker.cli.exits import Exit
from worker.core.errors import WorkerError
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store import Store


@click.command(context_settings=HELP_SETTINGS)
@click.argument("address")
@json_option
@with_settings
def remove(settings: "Settings", address: str, as_json: bool) -> None:
    """Remove a user, or with - all users whose addresses stand on standard input, one a line.

    The list may also be CSV with a header that has a column email.

    The users' events stay on record: from now on `may-send` and the view do_not_mail judge the
    address by them. There is no prompt. The exit status is 1 if an address was no user, or no
    address; all others are removed all the same. The first 20 of those are printed, with --json
    all of them.

    \b
    Example:
      ses-worker users remove jane@example.com
      ses-worker users remove - < closed-accounts.txt
    """
    from worker.app import open_existing_store
    from worker.store.needs import and_delete

    lines = AddressLines(address, show_all=as_json)
    removal = _Removal(open_existing_store(settings, and_delete("users")), lines)
    try:
        with as_interrupts():
            removal.go_through()
    except KeyboardInterrupt:
        raise WorkerError(f"interrupted; {removal.removed:,} users are removed") from None
    click.echo(json.dumps(removal.figures) if as_json else removal.sentence)
    sys.exit(Exit.FAILED if removal.unknown or lines.refused else Exit.DONE)


class _Removal:
    """Removes users, and counts them."""

    def __init__(self, store: "Store", lines: AddressLines) -> None:
        self._store = store
        self._lines = lines
        self.removed = self.unknown = 0

    @property
    def figures(self) -> dict[str, int]:
        return {
            "removed": self.removed,
            "unknown": self.unknown,
            "refused": self._lines.refused,
        }

    @property
    def sentence(self) -> str:
        counts = ", ".join(f"{count:,} {name}" for name, count in self.figures.items())
        return f"{counts}; events stay on record" if self.removed else counts

    def go_through(self) -> None:
        """Remove the users of the lines, a statement's worth at a time."""
        from worker.store.users import ROWS_IN_A_STATEMENT

        keys = iter(self._lines)
        while batch := list(dict.fromkeys(islice(keys, ROWS_IN_A_STATEMENT))):
            self._remove(batch)

    def _remove(self, keys: Sequence[str]) -> None:
        from worker.store.users import remove_users

        removed = remove_users(self._store, keys)
        self.removed += len(removed)
        for key in keys:
            if key not in removed:
                self.unknown += 1
                self._lines.show(f"{key} is not among the users in {self._store.place}")
