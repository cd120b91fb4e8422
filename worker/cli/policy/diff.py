"""`ses-worker policy diff`."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import HELP_SETTINGS, counted, json_option, print_message, with_settings
from worker.cli.help import option
from worker.cli.policy.rows import rows_in
from worker.core.errors import Misconfigured, Refused
from worker.service.signals import as_interrupts

if TYPE_CHECKING:
    from worker.core.backtesting import Difference
    from worker.settings import Settings
    from worker.store.policy_diff import Comparison

MOST_DAYS = 36_500


@click.command(context_settings=HELP_SETTINGS)
@option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", show_default="none",
    help="A setting of the other policy, as in TOML; may be repeated.",
)  # fmt: skip
@option(
    "--days", type=click.IntRange(min=1, max=MOST_DAYS), show_default="all that is on record",
    help="As if the other policy had been in force for so many days.",
)  # fmt: skip
@option(
    "--shadow", "shadowed", is_flag=True, show_default="off",
    help="Compare with what policy.shadow has decided since it was set, instead of --set.",
)  # fmt: skip
@option(
    "--csv", "file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    show_default="none", help="Write every person with a difference to this file.",
)  # fmt: skip
@option("--limit", type=click.IntRange(min=0), default=5, help="People to show for each change.")
@json_option
@with_settings
def diff(
    settings: "Settings",
    *,
    changes: Sequence[str],
    days: int | None,
    shadowed: bool,
    file: Path | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show who would be paused, blocked or freed, had the policy been another.

    The events on record are decided twice, by the policy in force and by the other policy, which
    is that policy with the settings of --set. Nobody is touched: the right to read is enough.
    People who are no users are decided about as well, as the view do_not_mail does.

    With --shadow nothing is decided now. The policy in policy.shadow decides about users beside the
    policy in force, in a running worker, and what has become of the users by each is compared.

    Some people are marked: the other policy would need to know of them what was not kept, such as
    events that somebody has deleted.

    \b
    Example:
      ses-worker policy diff --set policy.soft_bounce_pause_days=3 --days 30
      ses-worker policy diff --set 'policy.spare_faults=["sender"]' --csv freed.csv
    """
    if as_json and file is not None and str(file) == "-":
        raise click.UsageError("--json and --csv - both write to standard output")
    if shadowed:
        if changes or days:
            raise click.UsageError("--shadow cannot be combined with --set or --days")
        _compare_shadow(settings, file, limit, as_json=as_json)
        return
    if not changes:
        raise click.UsageError("--set names what would be different: --set KEY=VALUE")
    comparison = _compared(settings, changes, days, file, limit, shown=not as_json)
    if as_json:
        click.echo(json.dumps({"days": days, **_figures(comparison)}))
    elif str(file) == "-":
        print_message(_headline(comparison))
    else:
        _show(comparison, file)


def _compared(
    settings: "Settings",
    changes: Sequence[str],
    days: int | None,
    file: Path | None,
    limit: int,
    *,
    shown: bool,
) -> "Comparison":
    from worker.app import open_existing_store
    from worker.cli.policy.setting import another_policy
    from worker.cli.policy.words import CSV_COLUMNS
    from worker.cli.progress import Progress
    from worker.store.people import READ
    from worker.store.policy_diff import Comparison

    other = another_policy(settings, changes)
    store = open_existing_store(settings, READ)
    now = datetime.now(UTC)
    comparison = Comparison(settings.as_policy(), other.as_policy(), now, limit)
    with (
        as_interrupts(),
        rows_in(file, CSV_COLUMNS, _row) as found,
        store.read_transaction() as connection,
        Progress("diff", "events", enabled=shown) as progress,
    ):
        since = now - timedelta(days=days) if days else None
        comparison.read(connection, since=since, report=progress.update, found=found)
    return comparison


def _compare_shadow(settings: "Settings", file: Path | None, limit: int, *, as_json: bool) -> None:
    from worker.app import open_existing_store
    from worker.cli.policy.words import CSV_COLUMNS, counts, figures_of, sentence, show_sample
    from worker.store.shadow import READ, begun, how_many
    from worker.store.shadow_diff import ShadowComparison

    if settings.as_policy().shadow is None:
        raise Misconfigured("policy.shadow is not set: a running worker decides by none")
    store = open_existing_store(settings, READ)
    since = begun(store)
    if since is None:
        raise Refused("policy.shadow decides nothing yet: no worker was started with it")
    comparison = ShadowComparison(datetime.now(UTC), limit)
    with as_interrupts(), rows_in(file, CSV_COLUMNS, _row) as found:
        comparison.read(store, found)
    users = how_many(store)
    if as_json:
        figures = {
            "since": since.since.isoformat(),
            "users": users,
            **counts(comparison.by_change),
            "sample": [figures_of(item) for item in comparison.sample],
        }
        click.echo(json.dumps(figures))
        return
    headline = (
        f"Since {since.since:%Y-%m-%d %H:%M} UTC policy.shadow has decided about "
        f"{counted(users, 'user')}: {sentence(comparison.by_change)}"
    )
    if str(file) == "-":
        print_message(headline)
        return
    from worker.cli.screen import put, screen

    out = screen()
    put(out, headline)
    show_sample(out, ((item.key, item.before, item.after, "") for item in comparison.sample))


def _row(item: "Difference") -> dict[str, Any]:
    from worker.cli.policy.words import figures_of

    return figures_of(item) | {"unknown": " ".join(item.unknown)}


def _figures(comparison: "Comparison") -> dict[str, Any]:
    from worker.cli.policy.words import counts, figures_of

    return {
        "events": comparison.events,
        "people": comparison.people,
        "no_users": comparison.no_users,
        **counts(comparison.by_change),
        "rules": [
            {"change": change.value, "before": before, "after": after, "people": count}
            for (change, before, after), count in comparison.by_rules.most_common()
        ],
        "unknown": {name.value: count for name, count in comparison.unknown.items()},
        "records_differ": comparison.differs,
        "sample": [figures_of(item) for item in comparison.sample],
    }


def _headline(comparison: "Comparison") -> str:
    from worker.cli.policy.words import sentence

    people = counted(comparison.people, "person", "people")
    events = counted(comparison.events, "event")
    return f"Of {people} with {events}: {sentence(comparison.by_change)}"


def _show(comparison: "Comparison", file: Path | None) -> None:
    from worker.cli.policy.words import show_rules, show_sample, show_unknown
    from worker.cli.screen import put, screen

    out = screen()
    put(out, _headline(comparison))
    show_rules(out, comparison.by_rules)
    show_sample(
        out,
        (
            (item.key, item.before, item.after, f"{item.rule_after}{' ?' if item.unknown else ''}")
            for item in comparison.sample
        ),
    )
    show_unknown(out, comparison.unknown, "cannot be judged for sure")
    if comparison.differs:
        users = counted(comparison.differs, "user")
        put(
            out,
            f"{users} had another record before, by hand or by an earlier policy: "
            "ses-worker policy rebuild --dry-run",
        )
    if file:
        put(out, f"All are in {file}.")
    put(out, "Nobody was touched.")
