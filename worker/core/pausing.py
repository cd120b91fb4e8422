"""How long mail to an address pauses, by all that happened to it. Pure.

For policies with a memory. The result depends on the set of events, whatever the order in which
they arrived. Without such a policy `worker.core.decide` needs no memory: the dates in the user's
record suffice.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from worker.core.model import Action, User
from worker.core.past import Past, PastEvent
from worker.core.policy import COMPLAINT, REPEATS, REPEATS_WITHIN, Policy

FORGIVEN, REPEATED = "forgiven", "repeated"
"""Ends of `events.reason`: a soft bounce that a later delivery had forgiven, and a bounce that
pauses for `policy.repeat_pause_days`."""
_COUNT = re.compile(r"[0-9]{1,3}_of_[0-9]{1,3}")
_BLOCK = Action.AUTO_BLOCK_SPAM
_START_OF_TIME = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
REASONS = {
    Action.AUTO_BLOCK_SPAM: COMPLAINT,
    Action.HARD_BOUNCE: str(Action.HARD_BOUNCE),
    Action.SOFT_BOUNCE: str(Action.SOFT_BOUNCE),
}
"""The values of `users.pause_reason`, by action."""
RANKS = {reason: len(REASONS) - index for index, reason in enumerate(REASONS.values())}
"""Of two pauses that end at the same time the higher rank is named."""


class Pause(Struct, frozen=True):
    """The values of `users.paused_until` and `pause_reason`."""

    until: datetime | None = None
    reason: str | None = None

    def ends_after(self, other: "Pause") -> bool:
        """Return whether there is a pause, and the other, if any, ends earlier."""
        return self.until is not None and (other.until is None or self.until > other.until)


class Pauses(Struct, frozen=True):
    """The pauses that follow from the past of a user."""

    soft: list[datetime]
    """The soft bounces that count, the earliest first."""
    bounces: list[tuple[datetime, Action]]
    """The bounces that pause."""
    repeated: frozenset[datetime]
    """The times of those that pause for `policy.repeat_pause_days`."""
    complaints: list[datetime]
    forgiven_at: datetime | None

    def longest(self, policy: Policy) -> Pause:
        """Return the pause that ends last."""
        ends = [(self._end_of(at, action, policy), REASONS[action]) for at, action in self.bounces]
        ends += [(later(at, policy.complaint_block), COMPLAINT) for at in self.complaints]
        return Pause(*max(ends, key=_end_and_rank)) if ends else Pause()

    def _end_of(self, at: datetime, action: Action, policy: Policy) -> datetime:
        pause = policy.pause_for(action)
        return later(at, max(pause, policy.repeat_pause) if at in self.repeated else pause)

    def note_on(self, event: PastEvent, policy: Policy) -> str:
        """Return what the reason of an event says beyond its rule: such as `2_of_3`; or empty."""
        at = event.occurred_at
        if event.action is Action.SOFT_BOUNCE and not event.refused:
            if self.forgiven_at and at < self.forgiven_at:
                return FORGIVEN
            count = _within(self.soft, at, policy.soft_bounce_window)
            if count < policy.soft_bounces_to_pause:
                return f"{count}_of_{policy.soft_bounces_to_pause}"
        return REPEATED if event.action is not _BLOCK and at in self.repeated else ""


def pauses_of(past: Past, user: User, policy: Policy) -> Pauses:
    """Find what pauses mail to a user: events up to a reinstatement do not."""
    since = user.reinstated_at
    events = [event for event in past.events if since is None or event.occurred_at > since]
    forgiven_at = _forgiven_at(past, user, policy)
    unforgiven = (
        event for event in events if forgiven_at is None or event.occurred_at >= forgiven_at
    )
    soft = _dates(unforgiven, Action.SOFT_BOUNCE)
    window, least = policy.soft_bounce_window, policy.soft_bounces_to_pause
    bounces = [(at, Action.HARD_BOUNCE) for at in _dates(events, Action.HARD_BOUNCE)]
    bounces += [(at, Action.SOFT_BOUNCE) for at in soft if _within(soft, at, window) >= least]
    bounces = [(at, action) for at, action in bounces if policy.pause_for(action)]
    return Pauses(
        soft=soft,
        bounces=bounces,
        repeated=_repeated(bounces, policy),
        complaints=[event.occurred_at for event in events if event.action is _BLOCK],
        forgiven_at=forgiven_at,
    )


def forgives_first(delivered_at: datetime, user: User, past: Past) -> bool:
    """Return whether a delivery forgives a soft bounce that none on record has forgiven."""
    barring_since = (at for at in (past.forgiven_at, user.reinstated_at) if at)
    since = max(barring_since, default=_START_OF_TIME)
    return any(
        event.action is Action.SOFT_BOUNCE and since <= event.occurred_at < delivered_at
        for event in past.events
    )


def rule_and_note(reason: str) -> tuple[str, str]:
    """Take a reason of an event apart: `transient:2_of_3` is the rule `transient`, and `2_of_3`."""
    rule, _, note = reason.rpartition(":")
    if rule and (note in {FORGIVEN, REPEATED} or _COUNT.fullmatch(note)):
        return rule, note
    return reason, ""


def later(at: datetime, pause: timedelta) -> datetime:
    """Return when a pause ends; not after the end of time."""
    return at + min(pause, _END_OF_TIME - at)


def _forgiven_at(past: Past, user: User, policy: Policy) -> datetime | None:
    if not policy.forgives:
        return None
    known = (at for at in (past.forgiven_at, user.last_delivery) if at)
    return max(known, default=None)


def _dates(events: Iterable[PastEvent], action: Action) -> list[datetime]:
    """Return the times of the bounces with an action: of mailboxes, else the earliest refusal.

    SES refuses again at every send, and if each refusal renewed the pause, it would never end.
    """
    found = [event for event in events if event.action is action]
    mailboxes = sorted(event.occurred_at for event in found if not event.refused)
    return mailboxes or sorted(event.occurred_at for event in found)[:1]


def _within(times: list[datetime], at: datetime, window: timedelta) -> int:
    """Count the times up to `at`, within a window that ends there."""
    return bisect_right(times, at) - bisect_left(times, _earlier(at, window))


def _earlier(at: datetime, window: timedelta) -> datetime:
    return at - min(window, at - _START_OF_TIME)


def _repeated(bounces: list[tuple[datetime, Action]], policy: Policy) -> frozenset[datetime]:
    """Find the bounces of the third pause, or a later pause, within `REPEATS_WITHIN`.

    A bounce begins a pause unless the ordinary pause of an earlier bounce still lasts.
    """
    if not policy.repeat_pause:
        return frozenset()
    begun: list[datetime] = []
    ends = _START_OF_TIME
    for at, action in sorted(bounces):
        if at >= ends:
            begun.append(at)
        ends = max(ends, later(at, policy.pause_for(action)))
    return frozenset(at for at, _ in bounces if _within(begun, at, REPEATS_WITHIN) >= REPEATS)


def _end_and_rank(end: tuple[datetime, str]) -> tuple[datetime, int]:
    return end[0], RANKS[end[1]]
