"""`ses-worker why`: everything that is stored about an address."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from worker.cli.common import HELP_SETTINGS, json_option, plain, screen, with_settings
from worker.cli.exits import Exit

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.store.history import History


_DID = {"removed": "taken off", "still_listed": "deleted from, and still on,"}
"""What was done, by the outcome of a removal."""


@click.command(context_settings=HELP_SETTINGS)
@click.argument("address")
@click.option(
    "--messages",
    is_flag=True,
    show_default="off",
    help="Also show SES's messages, if stored.",
)
@json_option
@with_settings
def why(settings: "Settings", address: str, messages: bool, as_json: bool) -> None:
    """Show what happened to an address: its events, the rules that fired, what they caused.

    SES's own messages are stored with their notices, so only where Slack is configured.

    \b
    Example:
      ses-worker why jane@example.com
    """
    from worker.app import open_existing_store
    from worker.core.address import parse_address
    from worker.store.history import history_of

    parsed = parse_address(address)
    if parsed is None:
        raise click.BadParameter("is no usable address", param_hint="ADDRESS")
    history = history_of(open_existing_store(settings), parsed.key)
    if as_json:
        click.echo(json.dumps(_figures(parsed.key, history)))
    else:
        _show(parsed.key, history)
        if messages:
            _show_messages(history)
    if not (history.events or history.user):
        click.echo(f"ses-worker: nothing is on record about {parsed.key}", err=True)
        sys.exit(Exit.FAILED)


def _figures(key: str, history: "History") -> dict[str, Any]:
    return {
        "address": key,
        "user": plain(history.user) if history.user else None,
        "events": [plain(event) | {"rule": _rule(event)} for event in history.events],
        "effects": [_effect(effect) for effect in history.effects],
        "removals": [plain(removal) for removal in history.removals],
    }


def _effect(row: Mapping[str, Any]) -> dict[str, Any]:
    return plain(row) | {"payload": json.loads(row["payload"])}


def _rule(event: Mapping[str, Any]) -> str:
    """Return the condition of the rule that fired, in words."""
    from worker.core.policy import RULES

    for rule in RULES:
        if (rule.kind.value, rule.reason) == (event["kind"], event["reason"]):
            return rule.when
    return ""


def _show(key: str, history: "History") -> None:
    from rich.text import Text

    from worker.store.history import MOST_EVENTS

    out = screen()
    out.print(Text(key, style="bold"), Text(_state(history.user)))
    if history.events:
        out.print(_events(history.events))
    if len(history.events) == MOST_EVENTS:
        out.print(Text(f"these are the newest {MOST_EVENTS} events; there may be more"))
    if history.effects:
        out.print(_effects(history.effects))
    for removal in history.removals:
        out.print(Text(_removal(removal)))
    if history.removals and _is_off_the_list(history.removals[-1]):
        out.print(Text(f"to put it back: ses-worker suppression restore {key}"))


def _is_off_the_list(removal: Mapping[str, Any]) -> bool:
    return removal["outcome"] == "removed" and removal["restored_at"] is None


def _removal(removal: Mapping[str, Any]) -> str:
    entry, restored = removal["entry"], removal["restored_at"]
    begun, address = _time(removal["begun_at"]), removal["address"]
    # Without an outcome the entry was saved, and it is unknown whether SES deleted it then.
    did = _DID.get(removal["outcome"], f"outbox #{removal['outbox_id']} set out to take it off")
    text = (
        f"{did} the suppression list {begun}: {address}, listed for {entry.get('Reason')} since "
        f"{entry.get('LastUpdateTime')} ({removal['outcome'] or 'not known to be done'})"
    )
    return f"{text}; put back {_time(restored)}" if restored else text


def _state(user: Mapping[str, Any] | None) -> str:
    if user is None:
        return "is not among the users"
    text = []
    if user["auto_block_spam"]:
        text.append("blocked (auto_block_spam)")
    if until := user["paused_until"]:
        text.append(f"paused until {_time(until)} ({user['pause_reason']})")
    counts = (
        f"{user['hard_bounce_count']} hard and {user['soft_bounce_count']} soft bounces, "
        f"{user['complaint_count']} complaints"
    )
    return "; ".join([*text, counts]) + " (times are UTC)"


def _events(events: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from worker.core.limits import LONGEST_CELL
    from worker.core.masking import cut, printable

    table = Table(title="events", title_justify="left")
    for name in ("occurred", "received", "what", "decision", "because", "status, diagnostic"):
        table.add_column(name, overflow="fold")
    for event in events:
        sort = "/".join(filter(None, (event["type"], event["subtype"])))
        table.add_row(
            _time(event["occurred_at"]),
            _time(event["received_at"]),
            Text(printable(f"{event['kind']} {sort}")),
            f"{event['action']} ({event['user_match']})",
            " · ".join(filter(None, (event["reason"], _rule(event)))),
            Text(printable(cut(f"{event['status']} {event['diagnostic']}".strip(), LONGEST_CELL))),
        )
    return table


def _effects(effects: Sequence[Mapping[str, Any]]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from worker.core.masking import printable

    table = Table(title="what they caused", title_justify="left")
    for name in ("id", "effect", "state", "tries", "when", "result or last error"):
        table.add_column(name, overflow="fold")
    for effect in effects:
        table.add_row(
            str(effect["id"]),
            effect["kind"],
            effect["state"],
            str(effect["attempts"]),
            _time(effect["finished_at"] or effect["due_at"]),
            Text(printable(effect["result"] or effect["last_error"] or "")),
        )
    return table


def _show_messages(history: "History") -> None:
    from worker.core.masking import printable

    for effect in history.effects:
        whose = f"\nSES's message of outbox #{effect['id']}"
        if message := json.loads(effect["payload"]).get("message"):
            click.echo(f"{whose}:")
            click.echo("\n".join(map(printable, message.splitlines())))
        elif effect["kind"] in {"bounce_notice", "complaint_notice"}:
            click.echo(f"{whose} is not kept: it came in a burst.")


def _time(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}"
