"""`ses-worker policy rebuild`."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import (
    HELP_SETTINGS,
    counted,
    json_option,
    print_message,
    require_terminal,
    with_settings,
)
from worker.cli.help import option
from worker.cli.policy.rows import rows_in
from worker.core.errors import WorkerError
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.core.policy import Policy
    from worker.settings import Settings
    from worker.store import Store
    from worker.store.rebuilding import Rebuilt, Survey

CSV_COLUMNS = (
    "email_key", "change", "reason_before", "until_before", "reason_after", "until_after",
)  # fmt: skip
_MOST_SHOWN = 20


@click.command(context_settings=HELP_SETTINGS)
@option("--dry-run", is_flag=True, show_default="off", help="Only show what would change.")
@option("--yes", is_flag=True, show_default="off", help="Do not ask.")
@option(
    "--csv", "file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    show_default="none", help="Write every user whose record would change to this file.",
)  # fmt: skip
@json_option
@with_settings
def rebuild(
    settings: "Settings", dry_run: bool, yes: bool, file: Path | None, as_json: bool
) -> None:
    """Compute the records of users anew, from the events on record and the policy in force.

    For the time after a change of the policy, which by itself changes no record. Reinstatements
    stay, and so does what an import brought, and a pause or block that no event explains, because
    somebody set it by hand. A user is left alone if events of the user were deleted, or if the
    policy needs to know what was not kept.

    It says who would be blocked, paused or freed, and how many change only in counts, and asks.
    Workers can go on meanwhile, if they have the same policy.
    A rebuild that was broken off can be repeated.

    \b
    Example:
      ses-worker policy rebuild --dry-run
      ses-worker policy rebuild --dry-run --csv changes.csv
    """
    from worker.app import open_existing_store
    from worker.store.rebuilding import LOOK, NEEDS

    to_output = str(file) == "-"
    if as_json and to_output:
        raise click.UsageError("--json and --csv - both write to standard output")
    if not dry_run:
        require_terminal(yes=yes)
    store = open_existing_store(settings, LOOK if dry_run else NEEDS)
    work = _Rebuild(store, settings.as_policy(), shown=not as_json)
    if differing := work.differing():
        print_message(
            "the workers have another policy than the settings that this command reads "
            f"({', '.join(differing)}): reload all workers first, then rebuild"
        )
    with as_interrupts(), ExitStack() as stack:
        with rows_in(file, CSV_COLUMNS, _figures_of) as found:
            survey = stack.enter_context(work.survey(found))
            work.read(survey)
        if to_output:
            print_message(_headline(survey))
        elif not as_json:
            _show(survey, file)
        if survey.changed and not dry_run:
            if not yes:
                click.confirm(f"Change {counted(survey.changed, 'record')}?", abort=True, err=True)
            work.write(survey)
        if as_json:
            click.echo(json.dumps(_figures(survey, work.done, dry_run=dry_run)))
        elif dry_run:
            print_message("nothing was changed")
        else:
            click.echo(f"{counted(work.done, 'record')} changed", err=to_output)


class _Rebuild:
    """Reads, and then writes."""

    def __init__(self, store: "Store", policy: "Policy", *, shown: bool) -> None:
        self._store = store
        self._policy = policy
        self._shown = shown
        self.done = 0

    def differing(self) -> list[str]:
        """Name what the policy that the workers have kept has otherwise."""
        from worker.store.rebuilding import differing

        with self._store.read_transaction() as connection:
            return differing(connection, self._policy)

    def survey(self, found: "Callable[[Rebuilt], None]") -> "Survey":
        """Begin; `found` gets each user whose record would change."""
        from datetime import UTC, datetime

        from worker.store.rebuilding import Survey

        return Survey(self._policy, datetime.now(UTC), _MOST_SHOWN, found)

    def read(self, survey: "Survey") -> None:
        from worker.cli.progress import Progress

        with (
            Progress("read", "events", enabled=self._shown) as progress,
            self._store.read_transaction() as connection,
        ):
            survey.read(connection, progress.update)

    def write(self, survey: "Survey") -> None:
        from worker.cli.progress import Progress
        from worker.store.rebuilding import rebuild as write

        try:
            with Progress("rebuild", "users", enabled=self._shown) as progress:
                for done in write(self._store, survey, self._policy):
                    self.done = done
                    progress.update(done, survey.changed)
        except KeyboardInterrupt:
            raise WorkerError(
                f"interrupted; {self.done:,} records are changed, and a rebuild can be repeated"
            ) from None


def _figures(survey: "Survey", done: int, *, dry_run: bool) -> dict[str, Any]:
    from worker.cli.policy.words import counts

    return {
        "users": survey.users,
        "changed": survey.changed if dry_run else done,
        "unchanged": survey.unchanged,
        **counts(survey.by_change),
        "only_counts": survey.only_counts,
        "refused": {name.value: count for name, count in survey.refused.items()},
        "without_events": survey.without_events,
        "dry_run": dry_run,
        "sample": [_figures_of(item) for item in survey.sample],
    }


def _figures_of(item: "Rebuilt") -> dict[str, Any]:
    """A user, for JSON and CSV."""
    return {
        "email_key": item.key,
        "change": item.change.value if item.change else None,
        "reason_before": item.before.reason,
        "until_before": item.before.until.isoformat() if item.before.until else None,
        "reason_after": item.after.reason,
        "until_after": item.after.until.isoformat() if item.after.until else None,
    }


def _headline(survey: "Survey") -> str:
    """Report what it means for the users first, and then how many records change."""
    from worker.cli.policy.words import sentence

    only = f", and {survey.only_counts:,} only in counts or dates" if survey.only_counts else ""
    return (
        f"{sentence(survey.by_change).capitalize()}. Of {counted(survey.users, 'user')} with "
        f"events on record {survey.changed:,} would change{only}; {survey.unchanged:,} are right."
    )


def _show(survey: "Survey", file: Path | None) -> None:
    from worker.cli.policy.words import show_sample, show_unknown
    from worker.cli.screen import put, screen

    out = screen()
    put(out, _headline(survey))
    show_sample(
        out,
        (
            (item.key, item.before, item.after, "" if item.change else "counts or dates")
            for item in survey.sample
        ),
    )
    show_unknown(out, survey.refused, "left alone")
    if survey.without_events:
        users = counted(survey.without_events, "user")
        put(out, f"{users} with a record, and without events on record, left alone")
    if file:
        put(out, f"All are in {file}.")
