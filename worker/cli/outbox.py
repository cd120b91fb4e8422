"""`ses-worker outbox`: effects that wait or have failed."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from worker.cli.common import (
    HELP_SETTINGS,
    counted,
    json_option,
    plain,
    print_message,
    require_terminal,
    with_settings,
)
from worker.cli.exits import Exit
from worker.cli.help import Group, option

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.outbox_list import OutboxFilter

STATES = ("waiting", "claimed", "delivered", "parked", "discarded")
KINDS = (
    "bounce_notice", "complaint_notice", "removal", "removal_notice", "dead_letter_notice",
    "parked_notice", "own_faults_notice", "account_notice",
)  # fmt: skip
ROW_ID = click.IntRange(min=1, max=2**63 - 1)
Command = TypeVar("Command", bound=Callable[..., Any])


def _chosen(command: Command) -> Command:
    """Add the arguments that choose effects: ids, or all parked or waiting, of a kind."""
    command = click.argument("ids", type=ROW_ID, nargs=-1, metavar="[ID]...")(command)
    every = option("--parked", is_flag=True, show_default="off", help="All parked effects.")
    idle = option("--waiting", is_flag=True, show_default="off", help="All waiting effects.")
    kind = option("--kind", type=click.Choice(KINDS), help="Only effects of this kind.")
    return kind(every(idle(command)))


@click.group(cls=Group, context_settings=HELP_SETTINGS)
def outbox() -> None:
    """List, retry or discard effects: notices to channels, removals from the suppression list.

    \b
    Example:
      ses-worker outbox list
    """


@outbox.command("list", context_settings=HELP_SETTINGS)
@option(
    "--state", "states", type=click.Choice(STATES), multiple=True,
    default=("waiting", "claimed", "parked"), help="Only effects in this state; may be repeated.",
)  # fmt: skip
@option("--kind", type=click.Choice(KINDS), help="Only effects of this kind.")
@option("--limit", type=click.IntRange(1, 100_000), default=50, help="Most effects to show.")
@json_option
@with_settings
def list_(
    settings: "Settings", states: tuple[str, ...], kind: str | None, limit: int, as_json: bool
) -> None:
    """List effects, the newest last; without --state those that are not delivered yet.

    \b
    Example:
      ses-worker outbox list --state parked
    """
    import msgspec

    from worker.app import open_existing_store
    from worker.cli import effects as shown
    from worker.store.needs import to_read
    from worker.store.outbox_list import count_effects, list_effects, problems

    store = open_existing_store(settings, to_read("outbox", "limits"))
    filter_ = _outbox_filter(states=states, kind=kind)
    rows, counts = list_effects(store, filter_, limit), count_effects(store, filter_)
    resting = problems(store)
    if as_json:
        click.echo(
            json.dumps({
                "total": sum(counts.values()),
                "effects": [shown.as_json(row) for row in rows],
                "problems": [plain(msgspec.structs.asdict(problem)) for problem in resting],
            })
        )  # fmt: skip
        return
    shown.show(rows, counts, states)
    shown.show_problems(resting)


@outbox.command(context_settings=HELP_SETTINGS)
@_chosen
@with_settings
def retry(
    settings: "Settings", ids: tuple[int, ...], parked: bool, waiting: bool, kind: str | None
) -> None:
    """Retry effects now and reset their attempt counts.

    The daemon delivers them, or the next drain. While a lane pauses, as Slack may request, nothing
    is delivered; the output says for how long.

    \b
    Example:
      ses-worker outbox retry --parked --kind bounce_notice
    """
    from worker.app import open_existing_store
    from worker.cli import effects as shown
    from worker.store.outbox_list import problems, retry_effects

    filter_, store = _meant(ids, parked, waiting, kind), open_existing_store(settings)
    missed = shown.missed(store, filter_)
    count = retry_effects(store, filter_)
    click.echo(f"{counted(count, 'effect')} will be retried")
    shown.show_problems(problems(store) if count else ())
    _leave(filter_, count, missed)


@outbox.command(context_settings=HELP_SETTINGS)
@_chosen
@option("--yes", is_flag=True, show_default="off", help="Do not ask for confirmation.")
@with_settings
def discard(
    settings: "Settings",
    *,
    ids: tuple[int, ...],
    parked: bool,
    waiting: bool,
    kind: str | None,
    yes: bool,
) -> None:
    """Discard effects: they are never delivered, and stay in the table.

    \b
    Example:
      ses-worker outbox discard 17 18 --yes
    """
    from worker.app import open_existing_store
    from worker.cli import effects as shown
    from worker.store.outbox_list import count_effects, discard_effects

    filter_ = _meant(ids, parked, waiting, kind)
    require_terminal(yes=yes)
    store = open_existing_store(settings)
    missed = shown.missed(store, filter_)
    count = sum(count_effects(store, filter_).values())
    if count and not yes:
        click.confirm(f"Discard {counted(count, 'effect')}?", abort=True, err=True)
    count = discard_effects(store, filter_)
    click.echo(f"{count:,} discarded")
    _leave(filter_, count, missed)


def _leave(filter_: "OutboxFilter", count: int, missed: Sequence[str]) -> None:
    """Exit with an error if an effect was named by its id and left alone."""
    for sentence in missed:
        print_message(sentence)
    if taken := max(0, len(set(filter_.ids)) - count - len(missed)):
        print_message(f"{counted(taken, 'effect')} went out in the meantime")
    if missed or taken:
        sys.exit(Exit.FAILED)


def _meant(ids: Sequence[int], parked: bool, waiting: bool, kind: str | None) -> "OutboxFilter":
    if bool(ids) == (parked or waiting):
        raise click.UsageError(
            "name effects by their ids, or choose all with --parked, --waiting, or both"
        )
    states = [name for name, meant in (("parked", parked), ("waiting", waiting)) if meant]
    return _outbox_filter(ids=ids, states=states or ("parked", "waiting"), kind=kind)


def _outbox_filter(
    *, ids: Sequence[int] = (), states: Sequence[str] = (), kind: str | None = None
) -> "OutboxFilter":
    from worker.core.payloads import EffectKind
    from worker.store.outbox_list import OutboxFilter, State

    chosen = EffectKind(kind) if kind else None
    return OutboxFilter(ids=ids, states=[State(state) for state in states], kind=chosen)
