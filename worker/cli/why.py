"""`ses-worker why`: everything that is stored about an address."""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
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
from worker.cli.exits import Exit
from worker.cli.help import option
from worker.cli.words import (
    effect_head,
    feedback_counts,
    lines_of,
    mail_now,
    moment,
    sort_of,
    verdict_figures,
)
from worker.core.masking import printable

if TYPE_CHECKING:
    from rich.console import Console

    from worker.settings import Settings
    from worker.store.answers import Verdict
    from worker.store.history import History


_DID = {"removed": "Taken off", "still_listed": "Deleted from, and still on,"}
"""What was done, by the outcome of a removal."""


@click.command(context_settings=HELP_SETTINGS)
@click.argument("address")
@option(
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
    from worker.store.history import READ, history_of

    parsed = parse_address(address)
    if parsed is None:
        raise click.BadParameter("is no usable address", param_hint="ADDRESS")
    history = history_of(open_existing_store(settings, READ), parsed.key)
    if as_json:
        click.echo(json.dumps(_figures(parsed.key, history)))
    else:
        _show(parsed.key, history)
        if messages:
            _show_messages(history)
    if not (history.events or history.user):
        print_message(f"nothing is on record about {parsed.key}")
        sys.exit(Exit.FAILED)


def _figures(key: str, history: "History") -> dict[str, Any]:
    return {
        "address": key,
        "verdict": verdict_figures(history.verdict),
        "user": plain(history.user) if history.user else None,
        "events": [plain(event) | {"rule": _rule(event)} for event in history.events],
        "effects": [_effect(effect) for effect in history.effects],
        "removals": [plain(removal) for removal in history.removals],
    }


def _effect(row: Mapping[str, Any]) -> dict[str, Any]:
    return plain(row) | {"payload": json.loads(row["payload"])}


def _rule(event: Mapping[str, Any]) -> str:
    """Return the condition of the rule that fired, in words."""
    from worker.core.pausing import rule_and_note
    from worker.core.policy import RULES

    name, _ = rule_and_note(event["reason"])
    for rule in RULES:
        if (rule.kind.value, rule.reason) == (event["kind"], name):
            return rule.when
    return ""


def _show(key: str, history: "History") -> None:
    from rich.text import Text

    from worker.cli.called import as_called
    from worker.cli.page import put, put_whole, screen
    from worker.store.history import MOST_EVENTS

    out = screen()
    put(out, Text(key, style="bold"))
    put(out, mail_now(history.verdict))
    if history.user:
        put(out, _record(history.user, history.verdict))
    _show_events(out, history.events)
    if len(history.events) == MOST_EVENTS:
        put(out, f"These are the newest {MOST_EVENTS} events; there may be more.")
    _show_effects(out, history.effects)
    for removal in history.removals:
        put(out, printable(_removal(removal)))
    if history.removals and _is_off_the_list(history.removals[-1]):
        put(out, "To put it back on the list:")
        put_whole(out, as_called(f"  ses-worker suppression restore {shlex.quote(key)}"))


def _record(user: Mapping[str, Any], verdict: "Verdict") -> str:
    """Say what the verdict leaves out."""
    record, until = f"On record: {feedback_counts(user)}.", user["paused_until"]
    if until is None or verdict.until:
        return record
    paused = "It is also paused" if until > datetime.now(UTC) else "It was paused"
    return f"{paused} until {moment(until)} UTC ({user['pause_reason']}). {record}"


def _show_events(out: "Console", events: Sequence[Mapping[str, Any]]) -> None:
    from worker.cli.page import put
    from worker.core.limits import LONGEST_CELL
    from worker.core.masking import cut

    if events:
        put(out, f"\n{counted(len(events), 'event')}, by the time of occurrence (UTC)")
    for event in events:
        put(out, "")
        put(out, f"{moment(event['occurred_at'])}  {printable(sort_of(event))}")
        for line in lines_of(event):
            put(out, printable(cut(line, LONGEST_CELL)), indent=2)


def _show_effects(out: "Console", effects: Sequence[Mapping[str, Any]]) -> None:
    from worker.cli.page import put

    if effects:
        put(out, f"\n{counted(len(effects), 'effect')} caused by them (outbox, times are UTC)\n")
    for effect in effects:
        put(out, effect_head(effect), head=f"#{effect['id']}  ", indent=6)
        if text := effect["result"] or effect["last_error"]:
            put(out, printable(text), indent=6)
    if effects:
        put(out, "")


def _is_off_the_list(removal: Mapping[str, Any]) -> bool:
    return removal["outcome"] == "removed" and removal["restored_at"] is None


def _removal(removal: Mapping[str, Any]) -> str:
    entry, restored = removal["entry"], removal["restored_at"]
    # Without an outcome the entry was saved, and it is unknown whether SES deleted it then.
    did = _DID.get(removal["outcome"], f"Outbox #{removal['outbox_id']} set out to take it off")
    of_tenant = f" of tenant {removal['tenant']}" if removal["tenant"] else ""
    text = (
        f"{did} the suppression list{of_tenant} {moment(removal['begun_at'])}: "
        f"{removal['address']}, listed for {entry.get('Reason')} "
        f"since {entry.get('LastUpdateTime')} ({removal['outcome'] or 'not known to be done'})"
    )
    return f"{text}; put back {moment(restored)}." if restored else f"{text}."


def _show_messages(history: "History") -> None:
    for effect in history.effects:
        whose = f"\nSES's message of outbox #{effect['id']}"
        if message := json.loads(effect["payload"]).get("message"):
            click.echo(f"{whose}:")
            click.echo("\n".join(map(printable, message.splitlines())))
        elif effect["kind"] in {"bounce_notice", "complaint_notice"}:
            click.echo(f"{whose} is not kept: it came in a burst.")
