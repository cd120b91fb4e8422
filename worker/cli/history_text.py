"""The history of an address, as `ses-worker why` prints it for people."""

import shlex
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from worker.cli.called import as_called
from worker.cli.common import counted
from worker.cli.history_lines import lines_of, more_lines_of
from worker.cli.screen import put, put_whole, screen
from worker.cli.words import effect_head, feedback_counts, label_of_event, moment
from worker.core.limits import LONGEST_CELL
from worker.core.masking import cut, printable

if TYPE_CHECKING:
    from rich.console import Console

    from worker.cli.why import Story
    from worker.core.retelling import Retold
    from worker.store.answers import Verdict
    from worker.store.history import History

_INDENT, _TEXT = 2, 17
"""Columns before labels, and before texts."""
_DID = {"removed": "Taken off", "still_listed": "Deleted from, and still on,"}
"""What was done, by the outcome of a removal."""

Row = Mapping[str, Any]


def show(story: "Story") -> None:
    """Print the answer, the events with what they caused, and what can be undone."""
    from rich.text import Text

    out, history = screen(), story.history
    put(out, Text(story.key, style="bold"))
    put(out, story.answer)
    _show_undo(out, story)
    if history.user:
        put(out, _record(history.user, history.verdict))
    _show_events(out, story)
    _show_others(out, history)
    if history.removals and _is_off_the_list(history.removals[-1]):
        put(out, "To put it back on the suppression list:")
        put_whole(out, as_called(f"  ses-worker suppression restore {shlex.quote(story.key)}"))
    if history.events:
        _show_undo(out, story)


def _show_undo(out: "Console", story: "Story") -> None:
    if story.undo:
        put(out, "To lift it:")
        put_whole(out, as_called(f"  {story.undo}"))


def _record(user: Row, verdict: "Verdict") -> str:
    """Add what the verdict leaves out."""
    record, until = f"On record: {feedback_counts(user)}.", user["paused_until"]
    if until is None or verdict.until:
        return record
    paused = "It is also paused" if until > datetime.now(UTC) else "It was paused"
    return f"{paused} until {moment(until)} UTC ({user['pause_reason']}). {record}"


def _show_events(out: "Console", story: "Story") -> None:
    from worker.store.history import MOST_EVENTS

    events, retelling = story.history.events, story.retold
    if events:
        put(out, f"\n{counted(len(events), 'event')}, by the time of occurrence (UTC)")
    shown: set[int] = set()
    for event in events:
        put(out, "")
        put(out, f"{moment(event['occurred_at'])}  {printable(label_of_event(event))}")
        _put_lines(out, lines_of(event, retelling.changes.get(event["id"])))
        for effect in story.history.effects:
            if effect["feedback_id"] == event["feedback_id"] and effect["id"] not in shown:
                shown.add(effect["id"])
                _show_effect(out, effect)
        _put_lines(out, more_lines_of(event))
    for effect in story.history.effects:
        if effect["id"] not in shown:
            put(out, "")
            _show_effect(out, effect)
    if events:
        put(out, "")
    if len(events) == MOST_EVENTS:
        put(
            out,
            f"These are the newest {MOST_EVENTS} events; there may be more. So the record before "
            "and after them is not known.",
        )
    elif about_the_record := _about_the_record(retelling):
        put(out, about_the_record)


def _about_the_record(retelling: "Retold") -> str:
    if retelling.begins_with_tombstone:
        return "The record began with what was kept of a person who was forgotten."
    if retelling.is_the_record:
        return ""
    return (
        "Before and after are by the policy of these settings. The user's own record differs: "
        "another policy was in force, or somebody has changed the record by hand."
    )


def _show_effect(out: "Console", effect: Row) -> None:
    head = f"#{effect['id']} {effect_head(effect)}"
    result = effect["result"] or effect["last_error"]
    lines = [("Caused", head), *([("", result)] if result else [])]
    _put_lines(out, lines)


def _put_lines(out: "Console", lines: Iterable[tuple[str, str]]) -> None:
    """Print lines, each with a label, beside it the text; cut and without control characters."""
    for label, text in lines:
        head = f"{' ' * _INDENT}{label}"
        put(out, printable(cut(text, LONGEST_CELL)), head=head, indent=_TEXT)


def _show_others(out: "Console", history: "History") -> None:
    for removal in history.removals:
        put(out, printable(_removal(removal)))


def _is_off_the_list(removal: Row) -> bool:
    return removal["outcome"] == "removed" and removal["restored_at"] is None


def _removal(removal: Row) -> str:
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
