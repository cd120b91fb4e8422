"""The answer to a data request, as text for the person and for the file. Pure."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from worker.cli.common import counted
from worker.cli.words import moment
from worker.core.finding import parsed
from worker.core.masking import printable

_SECTIONS = {
    "user": "The user's record (table users)",
    "imported": "The record with which the user began (table imported_users)",
    "shadow": "The record by a second policy that is tried (table shadow_users)",
    "forgotten": "The person was forgotten, and this is remembered (table forgotten)",
    "events": "Bounces, complaints and what lifted them (table events)",
    "mentions": "Events of others that name the address (table events)",
    "account_events": "Reports about the account that name the address (table account_events)",
    "effects": "Notices and removals, with SES's messages (table outbox)",
    "removals": "Entries taken off SES's suppression lists (table removals)",
    "quarantined": "Messages set aside (table quarantine)",
    "dead_letters": "Messages in the dead-letter queue of SQS",
    "suppression_lists": "Entries on SES's suppression lists",
    "settings": "Settings that have the address",
}
_DEEPEST = 12
"""Levels that are drawn; what lies deeper stays JSON."""


def text_lines(fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines."""
    yield f"All data on record about {fields['address']}"
    yield f"As of {moment(fields['as_of'])} UTC, in {printable(fields['database'])}."
    yield "Other people's addresses are masked: ***@example.com. Times are UTC."
    if fields["address_hash"]:
        yield f"Lines of the log about this person have address_hash {fields['address_hash']}."
    yield ""
    yield _verdict(fields["verdict"])
    if on := fields["verdict"]["forgotten_at"]:
        yield (
            f"This person was forgotten on {on[:10]}: a keyed digest of the address is kept, with "
            "the block or the end of the pause (table forgotten)."
        )
    if not fields["found"]:
        yield "Nothing is on record about this address."
    for name, title in _SECTIONS.items():
        found = fields[name]
        rows = found if isinstance(found, list) else [found] if found else []
        if rows:
            yield ""
            yield f"{title}: {len(rows):,}" if isinstance(found, list) else title
            for row in rows:
                yield from _row(row)
    yield from _places(fields)


def _verdict(verdict: Mapping[str, Any]) -> str:
    if verdict["may_send"]:
        return "Mail may go there now."
    end = verdict["until"]
    until = f"until {moment(datetime.fromisoformat(end))}" if end else "until somebody lifts it"
    return f"No mail may go there {until} ({printable(str(verdict['reason']))})."


def _row(row: Any) -> Iterator[str]:
    lines = _drawn(row, 0) if isinstance(row, dict) else iter([printable(str(row))])
    head = "- "
    for line in lines:
        yield f"  {head}{line}"
        head = "  "


def _drawn(value: Any, depth: int) -> Iterator[str]:
    """Yield a line for each value; empty values are left out."""
    if depth > _DEEPEST:
        yield printable(json.dumps(value, ensure_ascii=False, default=str))
        return
    named = value.items() if isinstance(value, dict) else (("-", inner) for inner in value)
    for name, written in named:
        inner = _opened(written)
        label = "-" if name == "-" else f"{printable(str(name))}:"
        if inner is None or inner in ("", [], {}):
            continue
        if isinstance(inner, dict | list):
            yield label
            yield from (f"  {line}" for line in _drawn(inner, depth + 1))
        else:
            first, *more = _as_text(inner).split("\n")
            yield f"{label} {printable(first)}".rstrip()
            yield from (f"    {printable(line)}".rstrip() for line in more)


def _opened(value: Any) -> Any:
    """Return the JSON in a text, such as SES's message."""
    inside = parsed(value) if isinstance(value, str) else None
    return value if inside is None else inside


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    return str(value)


def _places(fields: Mapping[str, Any]) -> Iterator[str]:
    if fields["not_read"]:
        yield ""
        yield "Not read"
        for place in fields["not_read"]:
            yield f"  - {place['place']}: {printable(place['problem'])}"
    yield ""
    yield f"Out of the worker's reach: {counted(len(fields['out_of_reach']), 'place')}"
    for place in fields["out_of_reach"]:
        yield f"  - {place['place']}: {place['what']}; {place['to_do']}"
