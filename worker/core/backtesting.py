"""Compares records that two policies have made of the same events. Pure."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, to_builtins

from worker.core.folding import Fold, Person
from worker.core.model import User
from worker.core.policy import Policy

BLOCKED = "auto_block_spam"
"""`do_not_mail.reason` of a person who is blocked."""
PAUSED = "paused"
"""`do_not_mail.reason` of a pause without a reason."""


_OTHERWISE = frozenset({
    "unknown_recipients", "begin_with_record", "sources", "notify", "notices_with_json", "ignore",
    "remove", "rules", "shadow", "count_events", "track_deliveries", "needs_past", "privacy_key",
})  # fmt: skip
"""Fields of a policy that decide nothing about records."""


def deciding_fields(policy: Policy) -> dict[str, Any]:
    """Return the fields of a policy that decide about records, as JSON has them."""
    fields = {
        name: getattr(policy, name) for name in Policy.__struct_fields__ if name not in _OTHERWISE
    }
    plain: dict[str, Any] = to_builtins(fields)
    return {
        name: sorted(value) if isinstance(value, list) else value for name, value in plain.items()
    }


def decide_alike(policy: Policy, other: Policy) -> bool:
    """Return whether two policies make the same records of the same events."""
    return deciding_fields(policy) == deciding_fields(other)


class Bar(Struct, frozen=True):
    """Why no mail may go to a person, and until when; as in the view `do_not_mail`."""

    reason: str | None = None
    """None: mail may go there."""
    until: datetime | None = None
    """None: for good."""


class Change(StrEnum):
    """What another policy would change of whether mail may go to a person."""

    BLOCKED = "blocked"
    PAUSED = "paused"
    """Who may be mailed now, or is blocked for good, would be paused."""
    FREED = "freed"
    LONGER = "longer"
    SHORTER = "shorter"
    """Who is paused now would be paused for a longer or a shorter time."""


class Unknown(StrEnum):
    """What a policy would need to know about a person, and what was not kept."""

    EVENTS = "events"
    """The record counts events that are not on record."""
    FAULT = "fault"
    """Bounces from before faults were kept, and the policies spare different faults."""
    DELIVERIES = "deliveries"
    """Deliveries, which would forgive soft bounces."""


IN_WORDS = {
    Unknown.EVENTS: "the record counts events that are not on record",
    Unknown.FAULT: "bounces from before faults were kept",
    Unknown.DELIVERIES: "deliveries, which would forgive soft bounces, were not kept",
}


class Difference(Struct, frozen=True, kw_only=True):
    """A person whom another policy would treat differently."""

    key: str
    is_user: bool
    change: Change
    before: Bar
    after: Bar
    rule_before: str
    rule_after: str
    unknown: tuple[Unknown, ...] = ()


def bar_of(user: User, now: datetime) -> Bar:
    """Return whether mail may go to a person with this record."""
    if user.auto_block_spam:
        return Bar(BLOCKED)
    if user.paused_until and user.paused_until > now:
        return Bar(user.pause_reason or PAUSED, user.paused_until)
    return Bar()


def change_between(before: Bar, after: Bar) -> Change | None:
    """Return what has changed of whether and until when mail may go to a person."""
    if BLOCKED in {after.reason, before.reason}:
        return _of_block(before, after)
    if after.until is None or before.until is None:
        if after.until == before.until:
            return None
        return Change.PAUSED if after.until else Change.FREED
    if after.until == before.until:
        return None
    return Change.LONGER if after.until > before.until else Change.SHORTER


def _of_block(before: Bar, after: Bar) -> Change | None:
    if after.reason == before.reason:
        return None
    if after.reason == BLOCKED:
        return Change.BLOCKED
    return Change.PAUSED if after.reason else Change.FREED


def difference(
    person: Person, before: Fold, after: Fold, unknown: tuple[Unknown, ...], now: datetime
) -> Difference | None:
    """Return how two policies would treat a person differently; None: they would not."""
    bars = [bar_of(person.finished(fold.user), now) for fold in (before, after)]
    change = change_between(*bars)
    if change is None:
        return None
    return Difference(
        key=person.key,
        is_user=person.user is not None,
        change=change,
        before=bars[0],
        after=bars[1],
        rule_before=before.rule,
        rule_after=after.rule,
        unknown=unknown,
    )


def unknown_of(person: Person, live: Policy, other: Policy, folded: User) -> tuple[Unknown, ...]:
    """Return what the other policy would need to know about a person, and what was not kept.

    `folded`: the record that the other policy has made.
    """
    found = []
    if person.is_incomplete:
        found.append(Unknown.EVENTS)
    if person.lacks_fault and other.spare_faults != live.spare_faults:
        found.append(Unknown.FAULT)
    might_be_forgiven = folded.soft_bounce_count >= other.soft_bounces_to_pause
    if other.forgives and might_be_forgiven and folded.last_delivery is None:
        found.append(Unknown.DELIVERIES)
    return tuple(found)
