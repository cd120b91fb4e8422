"""Keeps a flood of different events about one address from filling the database. Pure.

Anybody who may publish to the topic can invent any number of them, each with texts of 40,000
characters. Beyond `MOST_IN_DETAIL` within an hour an event is kept without its long texts. All that
decides is kept: both keys, so that a replay is a duplicate; type, sub-type, times, status, fault
and what was found in the diagnostic; the rule and the action. Figures count it as any other.

A process counts what it has committed itself: several workers keep as many each. What is counted
decides nothing, so it need not survive the process.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from heapq import nlargest
from operator import itemgetter

from msgspec.structs import replace

from worker.core.effects import OutboxEntry
from worker.core.limits import LONGEST_ADDRESS, MOST_FLOODED, MOST_IN_DETAIL
from worker.core.masking import cut
from worker.core.model import Decision
from worker.core.payloads import Notice

NOT_KEPT = "(not kept: too many events about the address within an hour)"
"""What stands in the place of the diagnostic, in `events` and in notices."""
_HOUR = timedelta(hours=1)
_MANY = MOST_IN_DETAIL // 5
"""Events of an address that are remembered when there are too many addresses. With a whole commit
of 200 events they are within the bound."""
_KEPT = MOST_FLOODED // 2
"""Addresses that are remembered when too many have so many events."""


class Floods:
    """How many events about each address were committed within an hour. For one thread."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._counts: dict[str, int] = {}
        self._most = _MANY
        """At least the largest of them; nearly always so small that nothing has to be looked up."""
        self._reported: set[str] = set()

    def thin(self, decisions: Sequence[Decision]) -> list[Decision] | None:
        """Return decisions as they are to be written; None: as they are, as nearly always."""
        if self._most + len(decisions) <= MOST_IN_DETAIL or not decisions:
            return None
        self._begin_hour(decisions)
        counts: dict[str, int] = {}
        thinned: list[Decision] = []
        for decision in decisions:
            key = _key(decision)
            counts[key] = counts.get(key, self._counts.get(key, 0)) + 1
            is_kept = counts[key] <= MOST_IN_DETAIL
            thinned.append(decision if is_kept else _without_texts(decision))
        return thinned if max(counts.values()) > MOST_IN_DETAIL else None

    def committed(self, decisions: Sequence[Decision]) -> list[tuple[str, int]]:
        """Count decisions that are committed.

        Returns:
            The domain of each address that is flooded since now, and the events in detail.

        """
        if not decisions:
            return []
        self._begin_hour(decisions)
        counts, most = self._counts, self._most
        for decision in decisions:
            address = decision.feedback.recipient.address
            key = address.key if address else ""
            count = counts.get(key, 0) + 1
            counts[key] = count
            if count > _MANY:
                most = max(most, count)
        self._most = most
        if len(counts) > MOST_FLOODED:
            self._counts = _largest(counts)
        return self._flooded(decisions) if most > MOST_IN_DETAIL else []

    def _begin_hour(self, decisions: Sequence[Decision]) -> None:
        at = decisions[0].received_at
        # Messages that waited are older than others before them.
        if self._since is None or abs(at - self._since) >= _HOUR:
            self._since, self._most = at, _MANY
            self._counts, self._reported = {}, set()

    def _flooded(self, decisions: Sequence[Decision]) -> list[tuple[str, int]]:
        keys = {
            key for each in decisions if self._counts.get(key := _key(each), 0) > MOST_IN_DETAIL
        }
        new = keys - self._reported
        self._reported |= new
        return [(key.rpartition("@")[2], MOST_IN_DETAIL) for key in sorted(new)]


def thin_entries(
    entries: Sequence[OutboxEntry], before: Sequence[Decision], after: Sequence[Decision]
) -> list[OutboxEntry]:
    """Return outbox entries without the texts of the events that were thinned."""
    pairs = zip(before, after, strict=True)
    ids = {_id(old) for old, new in pairs if old is not new}
    return [
        replace(entry, payload=_without_message(entry.payload))
        if isinstance(entry.payload, Notice) and (entry.feedback_id, entry.ses_message_id) in ids
        else entry
        for entry in entries
    ]


def _largest(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts that may soon be above the bound, and never too many of them."""
    large = {key: count for key, count in counts.items() if count > _MANY}
    if len(large) > _KEPT:
        return dict(nlargest(_KEPT, large.items(), key=itemgetter(1)))
    return large


def _key(decision: Decision) -> str:
    address = decision.feedback.recipient.address
    return address.key if address else ""


def _id(decision: Decision) -> tuple[str, str]:
    notification = decision.feedback.notification
    return notification.feedback_id, notification.ses_message_id


def _without_texts(decision: Decision) -> Decision:
    feedback = decision.feedback
    recipient, notification = feedback.recipient, feedback.notification
    address = recipient.address
    # Of what is no address nothing else says whom the mail was for.
    reported = address.mailed if address else cut(recipient.reported, LONGEST_ADDRESS - 1)
    recipient = replace(recipient, diagnostic=NOT_KEPT, reported=reported)
    notification = replace(notification, mail=replace(notification.mail, tags="{}"))
    return replace(
        decision, feedback=replace(feedback, recipient=recipient, notification=notification)
    )


def _without_message(notice: Notice) -> Notice:
    """Of a notice that names others too, their texts go as well: the flood has written them."""
    recipients = tuple(replace(each, diagnostic=NOT_KEPT) for each in notice.recipients)
    return replace(notice, message="", recipients=recipients)
