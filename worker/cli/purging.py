"""`ses-worker db purge`."""

import json
import sys
import time
from collections import Counter
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from worker.cli.called import as_called
from worker.cli.common import (
    HELP_SETTINGS,
    counted,
    json_option,
    print_message,
    require_terminal,
    with_settings,
)
from worker.cli.exits import Exit
from worker.cli.help import option
from worker.core.errors import WorkerError
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.purging import Purge, Target

_TABLES = {
    "events": "events",
    "messages": "messages of SES's in delivered notices",
    "outbox": "finished effects",
    "removals": "entries of the removal log",
    "kept_keys": "kept keys",
}
_NOT_ANNOUNCED = (
    "not announced yet: the next purge announces it, and it goes seven days later "
    "(what would go: ses-worker db purge --dry-run --now)"
)
_PAUSE_SECONDS = 0.01
"""Between two bites: a daemon that waits for the database gets it."""


@click.command(context_settings=HELP_SETTINGS)
@option(
    "--dry-run", is_flag=True, show_default="off",
    help="Show how much would go, and change nothing.",
)  # fmt: skip
@option(
    "--now", "at_once", is_flag=True, show_default="off",
    help="Do not wait for the end of an announcement.",
)  # fmt: skip
@option(
    "--yes", is_flag=True, show_default="off", help="Do not ask for confirmation of --now."
)  # fmt: skip
@json_option
@with_settings
def purge(settings: "Settings", *, dry_run: bool, at_once: bool, yes: bool, as_json: bool) -> None:
    """Remove what is older than [retention] keeps it, as the daemon does once a day.

    What still bars somebody from mail stays, and so does what a quarantined message needs. Keys of
    events stay, so that a message that comes again still counts once.

    What an upgrade or a shorter period would remove is announced for seven days before it goes.
    The daemon can go on meanwhile. The exit status is 0 if all is done, 1 if it was broken off;
    what was removed by then stays removed.

    \b
    Example:
      ses-worker db purge --dry-run
    """
    from worker.app import open_existing_store
    from worker.store.purging import NEEDS, Faster, Purge, moment_of

    if at_once and not dry_run:
        require_terminal(yes=yes)
    store = open_existing_store(settings, NEEDS)
    with closing(store):  # in SQLite: what was removed leaves the `-wal`, too
        work = Purge(
            store,
            settings.retention.as_retention(),
            settings.as_policy(),
            moment_of(store),
            removals_kept=timedelta(days=settings.suppression.within_days),
        )
        asks = at_once and not dry_run and not yes
        work.announce(at_once=at_once, keeps=not (dry_run or asks))
        targets = work.targets()
        if asks:
            total = sum(target.rows for target in targets.values())
            click.confirm(f"Remove up to {total:,} rows now?", abort=True, err=True)
            work.announce(at_once=True)  # not before: the daemon would go by it
        began = time.monotonic()
        try:
            with as_interrupts():
                removed = _run(work, targets, dry_run=dry_run, shown=not as_json)
        except KeyboardInterrupt:
            raise WorkerError(
                "interrupted; what was removed stays removed, the rest next time"
            ) from None
        except Faster:
            print_message("another process purges now; nothing more was removed here")
            sys.exit(Exit.FAILED)
        if as_json:
            figures = _figures(work, targets, removed) | {
                "dry_run": dry_run,
                "elapsed_s": round(time.monotonic() - began, 3),
            }
            click.echo(json.dumps(figures))
            return
        _print(work, targets, removed, dry_run=dry_run)


def _run(
    work: "Purge", targets: "dict[str, Target]", *, dry_run: bool, shown: bool
) -> Counter[str]:
    from worker.cli.progress import Progress

    removed, looked_at = Counter[str](), 0
    total = sum(target.rows for target in targets.values() if target.allowed) or None
    with Progress("purge", "rows", enabled=shown) as progress:
        for bite in work.dry_run() if dry_run else work.bites():
            removed[bite.table] += bite.rows
            if bite.table in {"events", "messages"}:
                looked_at += bite.looked_at
                progress.update(looked_at, total)
            if bite.held_seconds:
                time.sleep(max(_PAUSE_SECONDS, bite.held_seconds))
    return removed


def _figures(work: "Purge", targets: "dict[str, Target]", removed: Counter[str]) -> dict[str, Any]:
    return {
        "removed": {name: removed[name] for name in _TABLES},
        "kept": work.kept,
        "beyond": {
            name: {
                "rows": target.rows,
                "oldest": target.oldest.isoformat() if target.oldest else None,
                "older_than": target.cutoff.isoformat(),
                "announced_until": target.until.isoformat() if target.until else None,
            }
            for name, target in targets.items()
        },
        "longest_commit_s": round(work.throttle.longest, 4),
    }


def _print(
    work: "Purge", targets: "dict[str, Target]", removed: Counter[str], *, dry_run: bool
) -> None:
    from worker.cli.words import moment

    for name, target in targets.items():
        oldest = f", the oldest of {moment(target.oldest)} UTC" if target.oldest else ""
        line = f"{name} from before {moment(target.cutoff)} UTC: {target.rows:,}{oldest}"
        if target.until and target.rows:
            if dry_run and work.begins(name):
                line += f"; {as_called(_NOT_ANNOUNCED)}"
            else:
                line += f"; announced: none goes before {moment(target.until)} UTC (or with --now)"
        click.echo(line)
    verb = "would be removed" if dry_run else "removed"
    for name, what in _TABLES.items():
        click.echo(f"{verb}: {removed[name]:,} {what}")
    if work.kept:
        click.echo(f"kept although old, because they still serve: {counted(work.kept, 'event')}")
