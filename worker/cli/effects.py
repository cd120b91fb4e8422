"""Prints effects: a list, lanes that deliver nothing, and named effects that were left alone."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from worker.cli.common import plain, screen

if TYPE_CHECKING:
    from worker.store import Store
    from worker.store.outbox_list import OutboxFilter, Problem

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
    for problem in resting:
        click.echo(
            f"{problem.name} delivers nothing: {problem.why}; "
            f"next try {_next_try(problem.again_at)}"
        )


def _next_try(at: datetime) -> str:
    """Format the time; if it is past, no worker is running."""
    return f"{at:%H:%M:%S} UTC" if at > datetime.now(UTC) else "by the next run or drain"


def show(rows: Sequence[Mapping[str, Any]], counts: Mapping[tuple[str, str], int]) -> None:
    """Print effects as a table, with the counts by kind and state below it."""
    from rich.table import Table
    from rich.text import Text

    from worker.core.masking import sanitized

    counts_text = ", ".join(f"{count:,} {kind} {state}" for (kind, state), count in counts.items())
    if len(rows) < (total := sum(counts.values())):
        counts_text += f"; the newest {len(rows):,} of {total:,} are shown (--limit)"
    table = Table(caption=counts_text or "no effects")
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
            Text(sanitized(what)),
            Text(sanitized(row["last_error"] or row["result"] or "")),
        )
    screen().print(table)
