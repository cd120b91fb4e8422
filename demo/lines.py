"""A line of the daemon's log, shortened and coloured for people who watch."""

from collections.abc import Mapping
from typing import Any

from rich.text import Text

COLOURS = {
    "hard_bounce": "red",
    "soft_bounce": "yellow",
    "auto_block_spam": "magenta",
    "no_action": "dim",
    "found": "",
    "missing": "cyan",
    "no_address": "cyan",
    "no_recipients": "cyan",
    "applied": "green",
    "duplicate": "cyan",
    "ignored": "dim",
    "dead_lettered": "red",
    "deferred": "red",
}
"""By the worker's word; a word has the same colour in the log and in all tables."""

_HIDDEN = frozenset({"worker.started", "worker.stopped", "schema.upgraded", "store.made"})


def coloured(word: str) -> Text:
    """Return a word of the worker's in its colour."""
    return Text(word, style=COLOURS.get(word.strip(" ()"), ""))


def shown(line: Mapping[str, Any]) -> Text | None:
    """Render a line of the log; None if the demo does not show its event."""
    event = str(line["event"])
    if event in _HIDDEN:
        return None
    match event:
        case "bounce_notification":
            row = _decision("bounce", line, "bounce_type", "bounce_subtype")
        case "complaint_notification":
            row = _decision("complaint", line, "complaint_feedback", "complaint_subtype")
        case "message.dead_lettered":
            row = _row("dead-lettered", "red", f"{line.get('reason')}: {line.get('detail')}")
        case "message.ignored":
            row = _row("ignored", "", f"{line.get('kind')}: an unknown type of message")
        case "effect.delivered":
            row = _delivered(line)
        case "worker.stopping":
            row = _row("SIGTERM", "", "the daemon finishes the messages that it holds, and exits")
        case _:
            row = _row(str(line.get("level", "?")), "red", f"{event} {line.get('error', '')}")
    return row


def _row(label: str, style: str, rest: str | Text) -> Text:
    return Text.assemble((f"{label:<14}", style), rest)


def _decision(kind: str, line: Mapping[str, Any], *type_fields: str) -> Text:
    given = [str(line[name]) for name in type_fields if line.get(name) not in {None, "none"}]
    match, action = str(line.get("user_match")), str(line.get("relay_action"))
    domain = f"@{line['domain']}" if "domain" in line else ""
    row = Text.assemble(coloured(f"{action:<17}"), (f"{domain:<14}", "dim"), "/".join(given))
    if match != "found":
        row.append(" " if given else "").append(coloured(f"({match})"))
    return _row(kind, "bold", row)


def _delivered(line: Mapping[str, Any]) -> Text:
    if line.get("lane") != "slack":
        text = f"SES's suppression list (outbox #{line.get('outbox_id')})"
        return _row("called", "green", text)
    if (count := int(line.get("effects", 1))) > 1:
        return _row("notified", "green", f"Slack: {count} in one digest")
    return _row("notified", "green", f"Slack: {line.get('kind')} (outbox #{line.get('outbox_id')})")
