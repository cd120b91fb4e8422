"""Letters by the place where they lie and the reason why, counted by age. Pure."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from worker.decode import decode
from worker.letters import Letter, Where
from worker.masking import harmless, mask_addresses
from worker.model import Feedback, Ignored, Malformed
from worker.owing import sort_of

AGES = {
    "under_1_hour": timedelta(hours=1),
    "under_1_day": timedelta(days=1),
    "under_4_days": timedelta(days=4),
}
"""Four days are SQS's retention, unless somebody has changed it."""
OLDER = "older"
_LONGEST_SAMPLE = 300


class Reading(Struct, frozen=True, kw_only=True):
    """How the worker reads a body today."""

    kind: str
    """`bounce`, `complaint`, what is ignored; `malformed`."""
    type: str = ""
    recipients: Sequence[str] = ()
    """As they were reported."""
    keys: Sequence[str] = ()
    """The same, as users are matched; empty where it is no address."""
    reason: str = ""
    """Why it cannot be read, or would be set aside."""
    detail: str = ""

    @property
    def redacted(self) -> str:
        """In a line, for whoever looks over the operator's shoulder."""
        if self.reason:
            return harmless(f"{self.reason}: {self.detail}"[:_LONGEST_SAMPLE])
        said = " ".join(filter(None, (self.kind, self.type)))
        if not self.recipients:
            return harmless(said)
        first = mask_addresses(self.recipients[0][:_LONGEST_SAMPLE])
        more = f" and {len(self.recipients) - 1:,} more" if len(self.recipients) > 1 else ""
        return harmless(f"{said} of {first}{more}")


class Group(Struct, kw_only=True):
    """Letters alike."""

    where: Where
    reason: str
    count: int = 0
    ages: dict[str, int]
    oldest: datetime | None = None
    newest: datetime | None = None
    kept_since: datetime | None = None
    """Of that which SQS will delete first."""
    sample_id: str = ""
    sample_original_id: str = ""
    sample: str = ""


class Groups:
    """Filled letter by letter; it keeps no body."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._found: dict[tuple[Where, str], Group] = {}

    def add(self, letter: Letter) -> None:
        """Count a letter."""
        key = letter.where, letter.reason
        group = self._found.get(key)
        if group is None:
            ages = dict.fromkeys([*AGES, OLDER], 0)
            group = Group(where=letter.where, reason=letter.reason, ages=ages)
            group.sample_id = letter.message_id
            group.sample_original_id = letter.original_id
            group.sample = read(letter).redacted
            self._found[key] = group
        group.count += 1
        group.ages[age_of(letter.first_seen, self._now)] += 1
        group.oldest = _earlier(group.oldest, letter.first_seen)
        group.newest = _later(group.newest, letter.first_seen)
        group.kept_since = _earlier(group.kept_since, letter.kept_since)

    def add_group(self, group: Group) -> None:
        """Take over what somebody else has counted."""
        self._found[group.where, group.reason] = group

    def biggest_first(self) -> list[Group]:
        """All of them."""
        return sorted(self._found.values(), key=lambda one: (-one.count, one.where, one.reason))


def read(letter: Letter, topics: Collection[str] = ()) -> Reading:
    """Read a letter as the worker would that listens to these topics; none: to all."""
    match decode(letter.received.body, topics):
        case Malformed(reason, detail):
            return Reading(kind="malformed", reason=reason.value, detail=detail)
        case Ignored(kind):
            return Reading(kind=kind)
        case feedback:
            return _of_feedback(feedback)


def age_of(first_seen: datetime | None, now: datetime) -> str:
    """Tell the bucket; of what has no time nobody knows that it is young."""
    if first_seen is None:
        return OLDER
    return next((name for name, age in AGES.items() if now - first_seen < age), OLDER)


def _of_feedback(feedback: Sequence[Feedback]) -> Reading:
    said = feedback[0].notification
    named = [one for one in feedback if one.recipient.reported]
    return Reading(
        kind=said.kind.value,
        type=sort_of(said.type, said.subtype),
        recipients=[one.recipient.reported for one in named],
        keys=[one.address.key if one.address else "" for one in named],
    )


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(filter(None, (one, other)), default=None)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)
