"""`ses-worker why`: everything that is stored about an address."""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from worker.cli.answer import answer_of, cause_of, undo_of
from worker.cli.common import (
    HELP_SETTINGS,
    address_hash,
    json_option,
    plain,
    print_message,
    with_settings,
)
from worker.cli.exits import Exit
from worker.cli.help import option
from worker.cli.history_lines import meaning_of
from worker.cli.words import verdict_figures
from worker.core.masking import printable

if TYPE_CHECKING:
    from worker.core.model import User
    from worker.core.retelling import Change, Retold
    from worker.settings import Settings
    from worker.store.history import History


class Story(Struct, frozen=True, kw_only=True):
    """The history of an address, and what follows from it."""

    key: str
    history: "History"
    retold: "Retold"
    answer: str
    undo: str
    """The command that lifts pause and block; empty: there is none."""


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
    """Show whether mail may go to an address, and all that is on record about it.

    The events are in the order in which they occurred: what SES and the mail server reported, in
    plain words; whose fault it was; the rule that decided; the record before and after, by the
    policy of these settings; what the event caused, and what became of that. At the end stands the
    command that lifts pause and block.

    SES's own messages are stored with their notices, so only where Slack is configured. The
    database is only read. With log.addresses = "hashed", --json has the address_hash of the log.

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
    store, privacy_key = open_existing_store(settings, READ), settings.privacy.privacy_key
    history = history_of(store, parsed.key, privacy_key=privacy_key)
    story = _story(settings, parsed.key, history)
    if as_json:
        click.echo(json.dumps(_figures(story) | _hash_of(settings, parsed.key)))
    else:
        from worker.cli.history_text import show

        show(story)
        if messages:
            _show_messages(history)
    if not (history.events or history.user or history.verdict.forgotten_at):
        print_message(f"nothing is on record about {parsed.key}")
        sys.exit(Exit.FAILED)


def _story(settings: "Settings", key: str, history: "History") -> Story:
    from worker.core.retelling import retold

    retelling = retold(
        key, history.record, history.first, history.recorded, settings.as_policy(),
        tombstone=history.tombstone,
    )  # fmt: skip
    cause = cause_of(history.verdict, history.events, retelling.changes)
    return Story(
        key=key,
        history=history,
        retold=retelling,
        answer=answer_of(key, history.verdict, cause),
        undo=undo_of(key, history.verdict, history.events, history.removals),
    )


def _figures(story: Story) -> dict[str, Any]:
    history, changes = story.history, story.retold.changes
    return {
        "address": story.key,
        "answer": story.answer,
        "undo": story.undo or None,
        "verdict": verdict_figures(history.verdict),
        "user": plain(history.user) if history.user else None,
        "events": [
            plain(event)
            | {"rule": _rule(event), "meaning": meaning_of(event)}
            | _states(changes.get(event["id"]))
            for event in history.events
        ],
        "states_are_the_record": story.retold.is_the_record,
        "begins_with_tombstone": story.retold.begins_with_tombstone,
        "effects": [_effect(effect) for effect in history.effects],
        "removals": [plain(removal) for removal in history.removals],
    }


def _hash_of(settings: "Settings", key: str) -> dict[str, Any]:
    """Return by what the address is found in the log; nothing where lines have no hash."""
    return {"address_hash": found} if (found := address_hash(settings, key)) else {}


def _effect(row: Mapping[str, Any]) -> dict[str, Any]:
    return plain(row) | {"payload": json.loads(row["payload"])}


def _states(change: "Change | None") -> dict[str, Any]:
    before, after = (change.before, change.after) if change else (None, None)
    return {"before": _state(before), "after": _state(after)}


def _state(user: "User | None") -> dict[str, Any] | None:
    if user is None:
        return None
    names = ("auto_block_spam", "paused_until", "pause_reason")
    return plain({name: getattr(user, name) for name in names})


def _rule(event: Mapping[str, Any]) -> str:
    """Return the condition of the rule that fired, in words."""
    from worker.core.pausing import rule_and_note
    from worker.core.policy import RULES

    name, _ = rule_and_note(event["reason"])
    for rule in RULES:
        if (rule.kind.value, rule.reason) == (event["kind"], name):
            return rule.when
    return ""


def _show_messages(history: "History") -> None:
    for effect in history.effects:
        whose = f"\nSES's message of outbox #{effect['id']}"
        if message := json.loads(effect["payload"]).get("message"):
            click.echo(f"{whose}:")
            click.echo("\n".join(map(printable, message.splitlines())))
        elif effect["kind"] in {"bounce_notice", "complaint_notice"}:
            click.echo(
                f"{whose} is not kept: it came in a burst, or is older than "
                "retention.messages_days."
            )
