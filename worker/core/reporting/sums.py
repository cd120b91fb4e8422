"""Counts of a value, a day or everything, and what follows from them."""

from collections.abc import Iterable, Mapping

from msgspec import Struct, structs

OTHER = "other"
"""All values that are not named."""


class Sums(Struct, kw_only=True):
    """How often each thing happened, by the measures of `worker.core.counting.Measure`."""

    send: int = 0
    delivery: int = 0
    hard_bounce: int = 0
    soft_bounce: int = 0
    other_bounce: int = 0
    refused: int = 0
    refused_globally: int = 0
    complaint: int = 0
    unknown_bounce: int = 0
    unknown_complaint: int = 0
    repeated_bounce: int = 0
    repeated_complaint: int = 0
    paused: int = 0
    blocked: int = 0
    received_again: int = 0

    def add(self, counts: Mapping[str, int], sign: int = 1) -> None:
        """Add counts, or subtract them; none becomes negative."""
        for measure, count in counts.items():
            if count and measure in MEASURES:
                setattr(self, measure, max(0, getattr(self, measure) + sign * count))

    def as_counts(self) -> dict[str, int]:
        """Return the counts by measure."""
        return structs.asdict(self)

    @property
    def bounces(self) -> int:
        """All bounces."""
        return self.hard_bounce + self.soft_bounce + self.other_bounce

    @property
    def counted_bounces(self) -> int:
        """The hard bounces that AWS counts: without its refusals for the lists of the sender."""
        return max(0, self.hard_bounce - self.refused + self.refused_globally)

    @property
    def new_bounces(self) -> int:
        """Bounces of users who had not bounced before."""
        return max(0, self.bounces - self.repeated_bounce - self.unknown_bounce)

    @property
    def new_complaints(self) -> int:
        """Complaints of users who had not complained before."""
        return max(0, self.complaint - self.repeated_complaint - self.unknown_complaint)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was counted."""
        return not any(self.as_counts().values())


MEASURES = frozenset(Sums.__struct_fields__)


def sums_of(counts: Mapping[str, int]) -> Sums:
    """Make a sums of counts by measure; measures that no report needs are left out."""
    sums = Sums()
    sums.add(counts)
    return sums


def total(parts: Iterable[Sums]) -> Sums:
    """Add all_sums up."""
    whole = Sums()
    for part in parts:
        whole.add(part.as_counts())
    return whole


def largest(by_value: Mapping[str, Sums], most: int) -> list[tuple[str, Sums]]:
    """Return the values with the most bounces and complaints; all others are the value `other`."""
    ranked = sorted(by_value.items(), key=_rank)
    shown = [(value, sums) for value, sums in ranked if value != OTHER][:most]
    named = {value for value, _ in shown}
    rest = total(sums for value, sums in ranked if value not in named)
    return shown if rest.is_empty else [*shown, (OTHER, rest)]


def _rank(item: tuple[str, Sums]) -> tuple[object, ...]:
    value, sums = item
    spent = sums.counted_bounces, sums.complaint, sums.bounces
    return (*(-count for count in (*spent, sums.send, sums.delivery)), value)
