"""Counts events by the values of a tag. Figures by the hour have no tags, so events are read."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import msgspec

from worker.core.counting import Dimension, figures_of
from worker.core.counting.facts import BLOCKED, PAUSED
from worker.core.reporting.sums import Sums
from worker.store import Store
from worker.store.newest import counts_by_tags

_SIMULATED = "%@simulator.amazonses.com"
_STEP = timedelta(hours=6)
"""Of one statement: some 28,000 events, of ten million within 90 days."""
_BECAME = {"hard_bounce": PAUSED, "soft_bounce": PAUSED, "auto_block_spam": BLOCKED}
_decode = msgspec.json.Decoder(dict[str, list[str]])


def count_by_tag(
    store: Store,
    name: str,
    since: datetime,
    until: datetime,
    progress: Callable[[int, int], None],
) -> tuple[dict[str, Sums], int]:
    """Count by the values of a tag; return that, and how many events were read.

    A mail without the tag counts as the empty value, a mail with several values as each of them.

    Raises:
        Unavailable: the database cannot be read now.

    """
    found: dict[str, Sums] = {}
    scanned, at = 0, since
    while at < until:
        end = min(at + _STEP, until)
        for tags, kind, type_, subtype, action, count in counts_by_tags(store, at, end, _SIMULATED):
            scanned += count
            counts = _counts(kind, type_ or "", subtype or "", action, count)
            for value in _values(tags, name):
                found.setdefault(value, Sums()).add(counts)
        at = end
        progress((at - since) // _STEP, -(-(until - since) // _STEP))
    return found, scanned


def _values(tags: str, name: str) -> Iterator[str]:
    try:
        values = _decode.decode(tags).get(name)
    except (msgspec.DecodeError, msgspec.ValidationError):
        values = None
    yield from values or [""]


def _counts(kind: str, type_: str, subtype: str, action: str, count: int) -> dict[str, int]:
    became = _BECAME.get(action, "")
    fact = ("2026-01-01T00", kind, type_, subtype, "", "", "", "", "", became)
    figures = figures_of({fact: count}).items()
    return {measure: n for (of, _, measure, _), n in figures if of == Dimension.ALL}
