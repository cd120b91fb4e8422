"""When kept keys are looked up: only for feedback that may be older than the newest purge. Pure.

A purge removes events and keeps their keys, shortened, in a table of their own. All that it has
removed is not later than a time, which it writes in the same transaction. The query for known keys
returns that time among the keys, as of the same moment; so a batch of new events costs no look-up.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from worker.core.keys import kept_key
from worker.core.model import Feedback
from worker.core.parsing import parse_time
from worker.core.times import time_text

PURGED_UNTIL = "purged_until"
"""Of the row in `progress` that says how late the newest purged event is at most."""
_END = " UTC"
"""No key ends like this: a key ends with a digest."""


def mark_of(until: datetime) -> str:
    """Return how the time is written."""
    return f"{time_text(until)}{_END}"


def read_mark(mark: str) -> datetime | None:
    """Read what `mark_of` wrote."""
    return parse_time(mark.removesuffix(_END))


def with_kept(
    found: set[str],
    feedback: Sequence[Feedback],
    look_up: Callable[[Sequence[str]], Collection[str]],
) -> set[str]:
    """Return the known keys, with those of purged events; `found` may have the mark among them.

    `look_up` returns which of these shortened keys are kept.
    """
    mark = next((key for key in found if key.endswith(_END)), None)
    if mark is None:
        return found
    found.discard(mark)
    until = read_mark(mark)
    if until is None:
        return found
    old = [
        key
        for item in feedback
        if (at := item.notification.occurred_at) is None or at <= until
        for key in (item.dedupe_key, item.route_key)
        if key not in found
    ]
    if old:
        shortened = {key: kept_key(key) for key in old}
        kept = look_up(list(dict.fromkeys(shortened.values())))
        found.update(key for key, short in shortened.items() if short in kept)
    return found
