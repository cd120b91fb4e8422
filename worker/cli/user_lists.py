"""`ses-worker users list` and `export`."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import (
    HELP_SETTINGS,
    counted,
    json_option,
    plain,
    print_message,
    with_settings,
)
from worker.cli.help import option
from worker.cli.selecting import filter_options, user_filter
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store import Store
    from worker.store.selecting import UserFilter

OUTPUT_FILE = click.Path(path_type=Path, dir_okay=False, readable=False, allow_dash=True)
_SHOWN = 50
"""People that are listed at most, unless `--limit` says otherwise."""
_REASONS = ("auto_block_spam", "hard_bounce", "soft_bounce")

Row = Mapping[str, Any]


@click.command("list", context_settings=HELP_SETTINGS)
@filter_options
@option(
    "--everybody",
    is_flag=True,
    show_default="off",
    help="List all who must not be mailed now, users or not.",
)
@option(
    "--limit",
    type=click.IntRange(min=1),
    show_default=f"{_SHOWN}; with --csv all",
    help="People to list at most.",
)
@option(
    "--csv", "file", type=OUTPUT_FILE, show_default="off",
    help="Write CSV to this file, or (-) standard output.",
)  # fmt: skip
@json_option
@with_settings
def list_(
    settings: "Settings",
    /,
    everybody: bool,
    limit: int | None,
    file: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """List users, in the order of their addresses.

    Several conditions must all be true. --paused, --blocked and --reason go by what is true now,
    as may-send does; --since goes by events on record. The list of --everybody is that of the
    view do_not_mail: also addresses that are no users, and nobody who may be mailed.

    A condition reads all users, and --everybody all events, which takes seconds for a million.

    \b
    Example:
      ses-worker users list --paused --since 7d --domain example.com
      ses-worker users list --everybody --csv do-not-mail.csv
    """
    from worker.app import open_existing_store
    from worker.store.selecting import needs_of

    if as_json and file:
        raise click.UsageError("--json and --csv exclude each other")
    filter_ = user_filter(options)
    store = open_existing_store(settings, needs_of(filter_, everybody=everybody))
    listing = _Listing(store, filter_, everybody=everybody)
    if file:
        with as_interrupts():
            write_csv(file, listing.columns, listing.rows(limit))
        return
    listed, total = list(listing.rows(limit or _SHOWN)), listing.count()
    if as_json:
        click.echo(json.dumps({"total": total, listing.key: [plain(row) for row in listed]}))
        return
    listing.show(listed, total)


class _Listing:
    """Users, or everybody who must not be mailed."""

    def __init__(self, store: "Store", filter_: "UserFilter", *, everybody: bool) -> None:
        from worker.store.rows import USER_COLUMNS
        from worker.store.selecting import PERSON_COLUMNS

        self._store = store
        self._filter = filter_
        self._everybody = everybody
        self.columns = PERSON_COLUMNS if everybody else USER_COLUMNS
        self.key = "do_not_mail" if everybody else "users"

    def rows(self, limit: int | None) -> Iterable[Row]:
        from worker.store.selecting import all_users, barred_people

        return (barred_people if self._everybody else all_users)(self._store, self._filter, limit)

    def count(self) -> int:
        from worker.store.selecting import count_barred, count_users

        return (count_barred if self._everybody else count_users)(self._store, self._filter)

    def show(self, listed: Sequence[Row], total: int) -> None:
        from worker.cli.user_table import show_barred, show_users

        noun = ("person", "people") if self._everybody else ("user", "users")
        restricted = self._everybody or self._filter.is_any
        count = counted(total, *noun) if total else f"no {'such ' * restricted}{noun[1]}"
        shown = f"{len(listed):,} of " if len(listed) < total else ""
        show = show_barred if self._everybody else show_users
        show(listed, f"{shown}{count} in {self._store.place}")
        if self._filter.reason and not total:
            near = get_close_matches(self._filter.reason, _REASONS, n=1)
            hint = f"; did you mean {near[0]}?" if near and near[0] != self._filter.reason else ""
            print_message(
                f"nobody has the reason {self._filter.reason}; reasons are {', '.join(_REASONS)}, "
                f"or what an operator wrote as pause_reason{hint}"
            )


@click.command(context_settings=HELP_SETTINGS)
@click.argument("target", metavar="[FILE | ADDRESS]", default="-")
@filter_options
@option(
    "--all", "everything", is_flag=True, show_default="off",
    help="Everything on record about the person with this ADDRESS, in place of a list of users.",
)  # fmt: skip
@option(
    "--output", "output", type=OUTPUT_FILE, show_default="-",
    help="With --all: the file to write, or (-) standard output.",
)  # fmt: skip
@option(
    "--offline", is_flag=True, show_default="off",
    help="With --all: ask neither SQS for dead letters nor SES for its suppression lists.",
)  # fmt: skip
@json_option
@with_settings
def export(
    settings: "Settings",
    /,
    *,
    target: str,
    everything: bool,
    output: Path | None,
    offline: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Write users as CSV, with all their columns, to FILE or (-) standard output.

    FILE is replaced when the export is complete; after an error it is unchanged. Only its
    owner can read a new file. A text that a spreadsheet would run as a formula, because it
    begins with = + - or @, has an apostrophe before it; `users import` takes it off again.

    With --all, the answer to a data request: everything on record about one person, whether a user
    or not, as text or with --json. In messages the addresses of other people are masked. What the
    command cannot look into is named, with what to do there. The exit status is 1 if a place that
    it should have read could not be read; the answer is written all the same.

    \b
    Example:
      ses-worker users export --blocked blocked.csv
      ses-worker users export jane@example.com --all --output jane.txt
    """
    from worker.app import open_existing_store
    from worker.store.rows import USER_COLUMNS
    from worker.store.selecting import all_users, needs_of

    if everything:
        from worker.cli.data_request import answer

        if any(options.values()):
            raise click.UsageError("--all is about one person: it excludes conditions")
        answer(settings, target, output or Path("-"), offline=offline, as_json=as_json)
        return
    if output or offline or as_json:
        raise click.UsageError("--output, --offline and --json need --all")
    if _is_address(target):
        raise click.UsageError(
            f"{target} is an address and no file: add --all for everything on record about the "
            f"person, or write ./{target}"
        )
    file: Path = OUTPUT_FILE.convert(target, None, None)
    filter_ = user_filter(options)
    store = open_existing_store(settings, needs_of(filter_))
    print_message(f"exporting from {store.place}")
    with as_interrupts():
        write_csv(file, USER_COLUMNS, all_users(store, filter_))


def _is_address(target: str) -> bool:
    from worker.core.address import parse_address

    return "@" in target and "/" not in target and parse_address(target) is not None


def write_csv(file: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows without formulas; the file is replaced when all are written."""
    from worker.cli.outfile import written
    from worker.commands.csv_export import with_guard

    with written(file) as out:
        table = csv.DictWriter(out, columns, lineterminator="\n")
        table.writeheader()
        for row in rows:
            table.writerow({name: with_guard(value) for name, value in plain(row).items()})
