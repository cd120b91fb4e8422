"""`ses-worker drain`."""

import json
import sys
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import HELP_SETTINGS, json_option, print_message, with_settings
from worker.cli.exits import Exit
from worker.cli.help import option

if TYPE_CHECKING:
    from worker.commands.drain import Drained
    from worker.settings import Settings


def _finite(_: click.Context, __: click.Parameter, value: float | None) -> float | None:
    if value is not None and not isfinite(value):
        raise click.BadParameter("must be a number of seconds")
    return value


@click.command(context_settings=HELP_SETTINGS)
@option(
    "--max-messages",
    type=click.IntRange(min=1),
    show_default="no limit",
    help="Stop after this many messages.",
)
@option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    callback=_finite,
    show_default="no limit",
    help="Stop after this many seconds.",
)
@json_option
@with_settings
def drain(
    settings: "Settings", max_messages: int | None, max_seconds: float | None, as_json: bool
) -> None:
    """Process messages until the queue is empty, then exit.

    The queue is empty after two empty receives in a row, with all three of SQS's counts at 0. If
    messages remain that others hold, or that are delayed, the command polls on until nothing has
    arrived for 60 s, and exits with 4.

    \b
    Example:
      ses-worker drain --max-messages 1000 --json
    """
    from worker.cli.progress import Progress
    from worker.commands import drain as draining

    with Progress("drain", "messages", enabled=not as_json) as progress:
        limits = draining.Limits(messages=max_messages, seconds=max_seconds)
        drained = draining.drain(settings, limits, progress.drained)
    if as_json:
        click.echo(json.dumps(_figures(drained)))
    else:
        _show(drained)
    if drained.failure:
        print_message(drained.failure)
    sys.exit(_status(drained))


def _figures(drained: "Drained") -> dict[str, Any]:
    remaining = drained.remaining
    return {
        **drained.counters.as_dict(),
        "remaining": remaining.total,
        "remaining_visible": remaining.visible,
        "remaining_in_flight": remaining.in_flight,
        "remaining_delayed": remaining.delayed,
        "effects_delivered": drained.effects.delivered,
        "effects_waiting": drained.effects.waiting,
        "effects_parked": drained.effects.parked,
        "elapsed_s": round(drained.elapsed_seconds, 3),
    }


def _show(drained: "Drained") -> None:
    import msgspec
    from rich.table import Table

    from worker.cli.called import as_called
    from worker.cli.screen import screen

    table = Table(title=f"drained in {drained.elapsed_seconds:.1f} s")
    table.add_column("messages")
    table.add_column("count", justify="right")
    for name, count in drained.counters.as_dict().items():
        table.add_row(name, f"{count:,}")
    left = drained.remaining
    table.add_section()
    table.add_row("remaining: visible", f"{left.visible:,}")
    table.add_row("remaining: in flight", f"{left.in_flight:,}")
    table.add_row("remaining: delayed", f"{left.delayed:,}")
    if any(effects := msgspec.structs.asdict(drained.effects).values()):
        table.add_section()
        for name, count in zip(("delivered", "waiting", "parked"), effects, strict=True):
            table.add_row(f"effects: {name}", f"{count:,}")
    if drained.counters.as_dict()["dead_lettered"]:
        table.caption = as_called("ses-worker dlq list")
    screen().print(table)


def _status(drained: "Drained") -> Exit:
    if drained.failure:
        return Exit.FAILED
    if drained.remaining.total:
        return Exit.REMAIN
    return Exit.SET_ASIDE if drained.counters.set_aside else Exit.DONE
