"""Counts the events from before the upgrade to figures by the hour, the newest first.

`progress` says from which id on they are counted; it changes in the transaction that adds their
figures. What only the commit knew is not counted: whether a recipient had bounced before, and what
became of the record.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from worker.core.counting import Fact, figures_of
from worker.core.parsing import as_time
from worker.core.times import iso_text
from worker.store.adding_up import Faster, FiguresStore, add_figures, facts_of, require
from worker.store.figures_by_hour import HISTORY, History

MOST_EVENTS = 300
"""Events in a transaction."""
_UNKNOWN = "unknown_recipient"
"""`events.reason` of a recipient who was no user."""
_EVENTS = f"""
    SELECT id, occurred_at, kind, coalesce(type, ''), coalesce(subtype, ''), recipient,
        configuration_set, tenant, fault, status, reason, received_at
    FROM events WHERE id < {{below}} ORDER BY id DESC LIMIT {MOST_EVENTS}
"""
_LONGEST_STATUS = len("5.999.999")
_HOUR = len("2026-11-30T09")


def count_some_events(store: FiguresStore) -> bool | None:
    """Count the newest events that are not counted; return whether there are more.

    Returns None if another process is at work.

    Raises:
        Unavailable: the database is unavailable.

    """
    noted = store.ask("SELECT value FROM progress WHERE name = {name}", name=HISTORY)
    history = msgspec.json.decode(noted[0][0], type=History) if noted else History()
    if history.is_complete:
        return False
    rows = store.ask(_EVENTS, below=history.below)
    figures = figures_of(facts_of(fact for row in rows if (fact := _fact(row))))
    reached = History(
        below=min((row[0] for row in rows), default=0),
        down_to=as_time(rows[-1][-1]) if rows else history.down_to,
        since=history.since,
    )
    try:
        with store.adding_up() as transaction:
            require(transaction.is_ours() and transaction.progress(HISTORY) == noted[0][0])
            add_figures(transaction, figures)
            transaction.keep_progress(HISTORY, msgspec.json.encode(reached).decode())
    except Faster:
        return None
    return not reached.is_complete


def _fact(row: Sequence[Any]) -> Fact | None:
    """Make the fact of an event; None: it is neither bounce nor complaint."""
    _, at, kind, type_, subtype, recipient, configuration_set, tenant, fault, status, reason, _ = (
        row
    )
    occurred_at = as_time(at)
    if kind not in {"bounce", "complaint"} or not isinstance(occurred_at, datetime):
        return None
    return (
        iso_text(occurred_at)[:_HOUR],
        kind,
        type_,
        subtype,
        recipient.rpartition("@")[2],
        configuration_set,
        tenant,
        fault,
        status if len(status) <= _LONGEST_STATUS else "",
        "u" if reason == _UNKNOWN else "",
    )
