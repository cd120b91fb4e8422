"""Dead letters grouped by place and reason, counted by age. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from worker.core.acceptance import EVERYTHING, Acceptance
from worker.core.account_events import AccountEvent
from worker.core.claims import claim_of, says_sending_stopped
from worker.core.dead_letter import DeadLetterMessage, Where
from worker.core.decode import Single, decode, parts_of
from worker.core.masking import mask_addresses, sanitized
from worker.core.model import Feedback, Ignored, Malformed
from worker.core.outbox.entries import label_of_type

AGES = {
    "under_1_hour": timedelta(hours=1),
    "under_1_day": timedelta(days=1),
    "under_4_days": timedelta(days=4),
}
"""Upper limits of the age buckets; four days are SQS's default retention."""
OLDER = "older"
_LONGEST_SAMPLE = 300
"""Characters."""


class ParsedBody(Struct, frozen=True, kw_only=True):
    """How the worker reads a body today."""

    kind: str
    """`bounce`, `complaint`, an account event's kind, an ignored message's type, or `malformed`."""
    type: str = ""
    recipients: Sequence[str] = ()
    """As SES reported them."""
    keys: Sequence[str] = ()
    """The recipients' keys, by which users are matched; empty if it is not an address."""
    reason: str = ""
    """Why it cannot be decoded, or would be dead-lettered."""
    detail: str = ""
    claim: str = ""
    """What a report about the account says, in words; nothing proves it."""

    @property
    def redacted(self) -> str:
        """A line with masked addresses, safe to show on a screen."""
        if self.claim:
            return sanitized(self.claim[:_LONGEST_SAMPLE])
        if self.reason:
            return sanitized(f"{self.reason}: {self.detail}"[:_LONGEST_SAMPLE])
        summary = " ".join(filter(None, (self.kind, self.type)))
        if not self.recipients:
            return sanitized(summary)
        first = mask_addresses(self.recipients[0][:_LONGEST_SAMPLE])
        more = f" and {len(self.recipients) - 1:,} more" if len(self.recipients) > 1 else ""
        return sanitized(f"{summary} of {first}{more}")


class Group(Struct, kw_only=True):
    """Dead letters with the same place and reason."""

    where: Where
    reason: str
    count: int = 0
    ages: dict[str, int]
    oldest: datetime | None = None
    newest: datetime | None = None
    kept_since: datetime | None = None
    """When the dead letter was first sent that SQS will delete first."""
    sample_id: str = ""
    sample_original_id: str = ""
    sample: str = ""
    claims: int = 0
    """How many of those that were read claim that SES stopped sending; the sample does, too."""


class Groups:
    """Groups dead letters; keeps no bodies."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._found: dict[tuple[Where, str], Group] = {}

    def add(self, dead_letter: DeadLetterMessage) -> None:
        """Count a dead letter."""
        key = dead_letter.where, dead_letter.reason
        group = self._found.get(key)
        if group is None:
            ages = dict.fromkeys([*AGES, OLDER], 0)
            group = Group(where=dead_letter.where, reason=dead_letter.reason, ages=ages)
            self._found[key] = group
        is_claim = says_sending_stopped(dead_letter.error)
        if not group.count or (is_claim and not group.claims):
            group.sample_id = dead_letter.message_id
            group.sample_original_id = dead_letter.original_id
            group.sample = read(dead_letter).redacted
        group.claims += is_claim
        group.count += 1
        group.ages[age_of(dead_letter.first_seen, self._now)] += 1
        group.oldest = _earlier(group.oldest, dead_letter.first_seen)
        group.newest = _later(group.newest, dead_letter.first_seen)
        group.kept_since = _earlier(group.kept_since, dead_letter.kept_since)

    def add_group(self, group: Group) -> None:
        """Add a group that the database has counted."""
        self._found[group.where, group.reason] = group

    def biggest_first(self) -> list[Group]:
        """Return all groups."""
        return sorted(
            self._found.values(), key=lambda group: (-group.count, group.where, group.reason)
        )


def read(dead_letter: DeadLetterMessage, acceptance: Acceptance = EVERYTHING) -> ParsedBody:
    """Decode a dead letter as the worker would if it accepts these sources."""
    parts = [_of_part(part) for part in parts_of(decode(dead_letter.received.body, acceptance))]
    if len(parts) == 1:
        return parts[0]
    first = next((part for part in parts if part.reason), parts[0])
    return ParsedBody(
        kind=first.kind,
        type=first.type,
        recipients=[recipient for part in parts for recipient in part.recipients],
        keys=[key for part in parts for key in part.keys],
        reason=first.reason,
        detail=first.detail,
        claim=next((part.claim for part in parts if part.claim), ""),
    )


def _of_part(part: Single) -> ParsedBody:
    match part:
        case Malformed(reason, detail):
            return ParsedBody(kind="malformed", reason=reason.value, detail=detail)
        case Ignored(kind):
            return ParsedBody(kind=kind)
        case AccountEvent(kind=kind, status=status):
            return ParsedBody(kind=kind.value, type=status.value, claim=claim_of(part))
        case feedback:
            return _of_feedback(feedback)


def age_of(first_seen: datetime | None, now: datetime) -> str:
    """Return the age bucket; the oldest if the time is unknown."""
    if first_seen is None:
        return OLDER
    return next((name for name, age in AGES.items() if now - first_seen < age), OLDER)


def _of_feedback(feedback: Sequence[Feedback]) -> ParsedBody:
    notification = feedback[0].notification
    named = [item for item in feedback if item.recipient.reported]
    return ParsedBody(
        kind=notification.kind.value,
        type=label_of_type(notification.type, notification.subtype),
        recipients=[item.recipient.reported for item in named],
        keys=[item.address.key if item.address else "" for item in named],
    )


def _earlier(first: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (first, other)), default=None)


def _later(first: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (first, other)), default=None)
