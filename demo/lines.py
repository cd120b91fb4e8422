"""A line of the daemon's log as people like to see it go by."""

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
"""The same word has the same colour everywhere."""

_QUIETLY = frozenset({"worker.started", "worker.stopped", "schema.upgraded", "store.made"})


def coloured(word: str) -> Text:
    """One of the worker's words in its colour."""
    return Text(word, style=COLOURS.get(word.strip("()"), ""))


def shown(line: Mapping[str, Any]) -> Text | None:
    """Put a line of the log into a row; None where it is of no interest to those who watch."""
    event = str(line["event"])
    if event in _QUIETLY:
        return None
    match event:
        case "bounce_notification":
            sort = _joined(line.get("bounce_type"), line.get("bounce_subtype"))
            row = _decision("bounce", sort, line)
        case "complaint_notification":
            sort = _joined(line.get("complaint_feedback"), line.get("complaint_subtype"))
            row = _decision("complaint", sort, line)
        case "message.dead_lettered":
            row = _row("dead-lettered", "red", f"{line.get('reason')}: {line.get('detail')}")
        case "message.ignored":
            row = _row("ignored", "", f"{line.get('kind')}: a type that it does not know")
        case "effect.delivered":
            row = _row(
                "notified" if line.get("lane") == "slack" else "called", "green", _effect(line)
            )
        case "worker.stopping":
            row = _row("SIGTERM", "", "the daemon finishes what it holds, and leaves")
        case _:
            row = _row(str(line.get("level", "?")), "red", f"{event} {line.get('error', '')}")
    return row


def _row(label: str, style: str, rest: str | Text) -> Text:
    return Text.assemble((f"{label:<11}", style), rest)


def _decision(kind: str, sort: str, line: Mapping[str, Any]) -> Text:
    match, action = str(line.get("user_match")), str(line.get("relay_action"))
    who = f"@{line['domain']}" if "domain" in line else ""
    decided = coloured(action)
    decided.pad_right(max(2, 17 - len(action)))
    found = Text(" " if sort else "").append(coloured(f"({match})")) if match != "found" else ""
    return _row(kind, "bold", Text.assemble(decided, (f"{who:<14}", "dim"), sort, found))


def _effect(line: Mapping[str, Any]) -> str:
    if line.get("lane") != "slack":
        return f"SES, about its suppression list (outbox #{line.get('outbox_id')})"
    if (count := int(line.get("effects", 1))) > 1:
        return f"Slack: {count} in one digest"
    return f"Slack: {line.get('kind')} (outbox #{line.get('outbox_id')})"


def _joined(*names: object) -> str:
    given = [str(name) for name in names if name not in {None, "none"}]
    return "/".join(given)
