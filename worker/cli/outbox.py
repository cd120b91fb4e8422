"""`ses-worker outbox`: effects that wait or have failed."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from worker.cli.common import PAGE, json_option, plain, screen, with_settings
from worker.cli.exits import Exit

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.outbox_list import Trouble, Wanted

STATES = ("waiting", "claimed", "delivered", "parked", "discarded")
KINDS = (
    "bounce_notice", "complaint_notice", "removal", "removal_notice", "dead_letter_notice",
    "parked_notice",
)  # fmt: skip
ROW_ID = click.IntRange(min=1, max=2**63 - 1)
Command = TypeVar("Command", bound=Callable[..., Any])


def _chosen(command: Command) -> Command:
    """Effects by id, or all parked or waiting ones, of a kind perhaps."""
    command = click.argument("ids", type=ROW_ID, nargs=-1, metavar="[ID]...")(command)
    every = click.option("--parked", is_flag=True, show_default="off", help="All parked effects.")
    idle = click.option("--waiting", is_flag=True, show_default="off", help="All waiting effects.")
    kind = click.option("--kind", type=click.Choice(KINDS), help="Only effects of this kind.")
    return kind(every(idle(command)))


@click.group(context_settings=PAGE)
def outbox() -> None:
    """Look at the effects that are owed: notices to Slack, removals from the suppression list.

    \b
    Example:
      ses-worker outbox list
    """


@outbox.command("list", context_settings=PAGE)
@click.option(
    "--state", "states", type=click.Choice(STATES), multiple=True,
    default=("waiting", "claimed", "parked"), help="Only effects in this state; may be repeated.",
)  # fmt: skip
@click.option("--kind", type=click.Choice(KINDS), help="Only effects of this kind.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, help="Show at most so many.")
@json_option
@with_settings
def list_(
    settings: "Settings", states: tuple[str, ...], kind: str | None, limit: int, as_json: bool
) -> None:
    """List effects, the newest last; without --state those that are not done.

    \b
    Example:
      ses-worker outbox list --state parked
    """
    import msgspec

    from worker.app import open_existing_store
    from worker.store.outbox_list import count_effects, list_effects, troubles

    store, wanted = open_existing_store(settings), _wanted(states=states, kind=kind)
    rows, counts = list_effects(store, wanted, limit), count_effects(store, wanted)
    resting = troubles(store)
    if as_json:
        click.echo(
            json.dumps({
                "total": sum(counts.values()),
                "effects": [_effect(row) for row in rows],
                "troubles": [plain(msgspec.structs.asdict(one)) for one in resting],
            })
        )  # fmt: skip
        return
    _show(rows, counts)
    _show_troubles(resting)


@outbox.command(context_settings=PAGE)
@_chosen
@with_settings
def retry(
    settings: "Settings", ids: tuple[int, ...], parked: bool, waiting: bool, kind: str | None
) -> None:
    """Have effects delivered as soon as may be, with all their tries before them again.

    The daemon does it; without one, the next drain. While a far side rests, as Slack may ask for,
    nothing goes out; how long is said.

    \b
    Example:
      ses-worker outbox retry --parked --kind bounce_notice
    """
    from worker.app import open_existing_store
    from worker.store.outbox_list import retry_effects, troubles

    wanted, store = _meant(ids, parked, waiting, kind), open_existing_store(settings)
    count = retry_effects(store, wanted)
    _told(count, "to be tried again", ids, troubles(store) if count else ())


@outbox.command(context_settings=PAGE)
@_chosen
@click.option("--yes", is_flag=True, show_default="off", help="Do not ask.")
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
    """Give effects up: they are never delivered, and stay on record.

    \b
    Example:
      ses-worker outbox discard 17 18 --yes
    """
    from worker.app import open_existing_store
    from worker.store.outbox_list import count_effects, discard_effects

    store, wanted = open_existing_store(settings), _meant(ids, parked, waiting, kind)
    count = sum(count_effects(store, wanted).values())
    if count and not yes:
        click.confirm(f"Discard {count:,} effects?", abort=True)
    _told(discard_effects(store, wanted), "discarded", ids)


def _next_look(at: datetime) -> str:
    """When, or by whom: that it is past says that no worker runs."""
    return f"{at:%H:%M:%S} UTC" if at > datetime.now(UTC) else "by the next run or drain"


def _show_troubles(resting: Sequence["Trouble"]) -> None:
    for one in resting:
        click.echo(f"{one.name} takes nothing: {one.why}; next look {_next_look(one.again_at)}")


def _told(count: int, what: str, ids: Sequence[int], resting: Sequence["Trouble"] = ()) -> None:
    click.echo(f"{count:,} {what}")
    _show_troubles(resting)
    if missed := len(set(ids)) - count:
        those = f"{missed:,} of them are" if count or missed > 1 else f"#{ids[0]} is"
        hint = "outbox list --state delivered --state discarded shows what is done"
        click.echo(f"ses-worker: {those} done, being delivered, or not there: {hint}", err=True)
        sys.exit(Exit.FAILED)


def _meant(ids: Sequence[int], parked: bool, waiting: bool, kind: str | None) -> "Wanted":
    if bool(ids) == (parked or waiting):
        raise click.UsageError(
            "name effects by their ids, or all with --parked, --waiting, or both of them"
        )
    states = [name for name, meant in (("parked", parked), ("waiting", waiting)) if meant]
    return _wanted(ids=ids, states=states or ("parked", "waiting"), kind=kind)


def _wanted(
    *, ids: Sequence[int] = (), states: Sequence[str] = (), kind: str | None = None
) -> "Wanted":
    from worker.effects import EffectKind
    from worker.store.outbox_list import State, Wanted

    chosen = EffectKind(kind) if kind else None
    return Wanted(ids=ids, states=[State(state) for state in states], kind=chosen)


def _effect(row: Mapping[str, Any]) -> dict[str, Any]:
    """The summary is JSON already."""
    return plain(row) | {"summary": json.loads(row["summary"])}


def _show(rows: Sequence[Mapping[str, Any]], counts: Mapping[tuple[str, str], int]) -> None:
    from rich.table import Table
    from rich.text import Text

    from worker.masking import harmless

    said = ", ".join(f"{count:,} {kind} {state}" for (kind, state), count in counts.items())
    if len(rows) < (total := sum(counts.values())):
        said += f"; the newest {len(rows):,} of {total:,} are shown (--limit)"
    table = Table(caption=said or "no effects")
    for name in ("id", "kind", "state", "tries", "due (UTC)", "what", "last error or result"):
        table.add_column(name, overflow="fold")
    for row in rows:
        summary = json.loads(row["summary"])
        what = " ".join(filter(None, (summary.get("sort"), summary.get("sample"))))
        open_ = row["state"] in {"waiting", "claimed"}
        table.add_row(
            str(row["id"]),
            row["kind"],
            row["state"],
            str(row["attempts"]),
            f"{row['due_at']:%Y-%m-%d %H:%M:%S}" if open_ else "",
            Text(harmless(what)),
            Text(harmless(row["last_error"] or row["result"] or "")),
        )
    screen().print(table)
