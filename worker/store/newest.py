"""Reads events by time: the newest that paused or blocked somebody, and counts by their tags."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from worker.core.parsing import as_time
from worker.store import Store

MOST = 10
"""So many are named in a report."""
_COLUMNS = (
    "occurred_at", "recipient", "kind", "type", "subtype", "status", "diagnostic", "action",
)  # fmt: skip
_NEWEST = f"""
    SELECT {", ".join(_COLUMNS)} FROM events
    WHERE occurred_at >= {{since}} AND occurred_at <= {{until}}
        AND action IN ('hard_bounce', 'soft_bounce', 'auto_block_spam')
    ORDER BY occurred_at DESC, id DESC LIMIT {{most}}
"""
_BY_TAGS = """
    SELECT tags, kind, type, subtype, action, count(*) FROM events
    WHERE occurred_at >= {since} AND occurred_at < {until}
        AND kind IN ('bounce', 'complaint') AND recipient NOT LIKE {simulated}
    GROUP BY tags, kind, type, subtype, action
"""


def newest_decisions(store: Store, since: datetime, until: datetime) -> Sequence[Mapping[str, Any]]:
    """Return the newest events within a time that paused or blocked somebody.

    Raises:
        Unavailable: the database cannot be read now.

    """
    found = store.ask(_NEWEST, since=since, until=until, most=MOST)
    rows = (dict(zip(_COLUMNS, row, strict=True)) for row in found)
    return [{**row, "occurred_at": as_time(row["occurred_at"])} for row in rows]


def counts_by_tags(
    store: Store, since: datetime, until: datetime, simulated: str
) -> list[tuple[str, str, str | None, str | None, str, int]]:
    """Count events within a time by tags (JSON), kind, type, sub-type and action.

    `simulated`: a LIKE pattern of recipients to leave out.

    Raises:
        Unavailable: the database cannot be read now.

    """
    return [
        (str(tags), str(kind), type_, subtype, str(action), int(count))
        for tags, kind, type_, subtype, action, count in store.ask(
            _BY_TAGS, since=since, until=until, simulated=simulated
        )
    ]
