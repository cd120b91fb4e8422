"""Prints effects: a list, lanes that deliver nothing, and named effects that were left alone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from worker.cli.common import plain
from worker.cli.words import effect_head
from worker.core.masking import printable, sanitized

if TYPE_CHECKING:
    from worker.store import Store
    from worker.store.outbox_list import OutboxFilter, Problem

_INDENT = 6
"""Columns of an id with its sign, up to #999."""
_DONE_HINT = "outbox list --state delivered --state discarded shows delivered and discarded effects"


def missed(store: "Store", filter_: "OutboxFilter") -> list[str]:
    """Return why each named effect was left alone, if it was."""
    return list(_missed(store, filter_)) if filter_.ids else []


def _missed(store: "Store", filter_: "OutboxFilter") -> Iterator[str]:
    from worker.store.outbox_list import list_effects

    named = replace(filter_, states=(), kind=None)
    found = {row["id"]: row for row in list_effects(store, named, len(filter_.ids))}
    for number in sorted(set(filter_.ids)):
        row = found.get(number)
        if row is None:
            yield f"#{number} does not exist"
        elif filter_.kind and row["kind"] != filter_.kind.value:
            yield f"#{number} is a {row['kind']}, not a {filter_.kind.value}: left alone"
        elif row["state"] == "claimed":
            yield f"#{number} is being delivered now: left alone"
        elif row["state"] not in {state.value for state in filter_.states}:
            yield f"#{number} is {row['state']}: left alone; {_DONE_HINT}"


def as_json(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return an effect for `list --json`; its summary is JSON already."""
    return plain(row) | {"summary": json.loads(row["summary"])}


def show_problems(resting: Sequence["Problem"]) -> None:
    """Print which lanes deliver nothing now, and when the next try comes."""
    from worker.cli.screen import put, screen

    for problem in resting:
        text = f"{problem.name} delivers nothing: {problem.why}; next try {_next_try(problem)}"
        put(screen(), printable(text))


def _next_try(problem: "Problem") -> str:
    """Format the time; if it is past, no worker is running."""
    at = problem.again_at
    return f"{at:%H:%M:%S} UTC" if at > datetime.now(UTC) else "by the next run or drain"


def show(
    rows: Sequence[Mapping[str, Any]],
    counts: Mapping[tuple[str, str], int],
    states: Sequence[str],
) -> None:
    """Print effects, each with its cause and its last answer, and below them the counts."""
    from worker.cli.called import as_called
    from worker.cli.screen import put, put_whole, screen

    out = screen()
    for row in rows:
        summary = json.loads(row["summary"])
        put(out, effect_head(row), head=f"#{row['id']}  ", indent=_INDENT)
        cause = " ".join(filter(None, (summary.get("sort"), summary.get("sample"))))
        for text in filter(None, (cause, row["last_error"] or row["result"])):
            put(out, sanitized(text), indent=_INDENT)
    if not counts:
        put(out, f"No effect is {' or '.join(states)}.")
        return
    put(out, "")
    totals = (f"{count:,} {kind} {state}" for (kind, state), count in counts.items())
    text = f"{', '.join(totals)} (times are UTC)"
    if len(rows) < (total := sum(counts.values())):
        text += f"; the newest {len(rows):,} of {total:,} are shown (--limit)"
    put(out, text)
    if any(state == "parked" for _, state in counts):
        put(out, "To retry what is parked, when its cause is fixed:")
        put_whole(out, as_called("  ses-worker outbox retry --parked"))
