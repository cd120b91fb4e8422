"""Folds the events on record of an address into a user record. Pure.

`decide` decides about each event again, in the order in which the events were recorded. So a record
that was folded equals the record that the same events made when they arrived.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from worker.core.decide import decide, forgive
from worker.core.model import (
    FORGIVENESS,
    REINSTATEMENT,
    Action,
    Address,
    Feedback,
    Kind,
    Notification,
    Recipient,
    User,
    UserMatch,
)
from worker.core.past import MOST_PAST, NOTHING, Past, PastEvent, past_event
from worker.core.policy import COMPLAINT, Policy

_BOUNCE, _COMPLAINT = Kind.BOUNCE.value, Kind.COMPLAINT.value
_BLOCK = Action.AUTO_BLOCK_SPAM.value
_PAUSES = frozenset({Action.HARD_BOUNCE.value, Action.SOFT_BOUNCE.value})
_MISSING = UserMatch.MISSING.value
_KINDS = {kind.value: kind for kind in Kind}


class Recorded(Struct, frozen=True, kw_only=True):
    """What is kept of an event that a fold needs; columns of `events`."""

    id: int
    recipient: str
    kind: str
    type: str | None
    subtype: str | None
    user_match: str
    action: str
    status: str
    fault: str
    mentions_spam: bool
    timed: bool = False
    """It has blocked for a time only: its action was a pause."""
    out_of_office: bool = False
    permanent_status: bool = False
    occurred_at: datetime
    received_at: datetime


class FirstRecord(Struct, frozen=True):
    """A record that did not begin empty: as it was when the user was imported."""

    record: User
    after_event: int
    """The id of the newest event of the address that is part of the record, or was to be ignored;
    0: none."""


def empty_user(key: str) -> User:
    """Return the record of a person about whom nothing is known."""
    return User(email=key, email_key=key)


def feedback_of(event: Recorded) -> Feedback:
    """Return an event as the feedback that it was, as far as rules ask for it."""
    address = Address(event.recipient, event.recipient)
    return Feedback(
        notification=Notification(
            kind=_KINDS[event.kind],
            type=event.type,
            subtype=event.subtype,
            feedback_id="",
            ses_message_id="",
            occurred_at=event.occurred_at,
        ),
        recipient=Recipient(
            address=address,
            status=event.status,
            mentions_spam=event.mentions_spam,
        ),
        dedupe_key="",
        route_key="",
        fault=event.fault,
        out_of_office=event.out_of_office,
        permanent_status=event.permanent_status,
    )


def lifted(user: User, at: datetime) -> User:
    """Return a record whose pause and block an operator has lifted."""
    return replace(
        user, auto_block_spam=False, paused_until=None, pause_reason=None, reinstated_at=at
    )


class Fold:
    """Folds events of an address, in the order of their ids, by one policy or by two.

    With `since` an event that occurred before then is decided by the policy `former`.
    """

    def __init__(
        self,
        start: User,
        policy: Policy,
        *,
        former: Policy | None = None,
        since: datetime | None = None,
    ) -> None:
        self.user = start
        self.rule = ""
        """The rule that last changed block or pause; at first that of the last event."""
        self._has_barred = False
        self._policy = policy
        self._former = former or policy
        self._since = since
        self._past = NOTHING

    def add(self, event: Recorded) -> None:
        """Decide about the next event."""
        if event.kind == REINSTATEMENT:
            self.user = lifted(self.user, event.occurred_at)
        elif event.kind == FORGIVENESS:
            self.user, _ = forgive(self.user, event.occurred_at, self._for(event), self._past)
            self._past = self._past.forgiven(event.occurred_at)
        elif event.kind in _KINDS:
            self._decide(event, feedback_of(event), self._for(event))

    def remember(self, event: Recorded) -> None:
        """Take an event for a part of the past that the first record has already."""
        if event.kind == FORGIVENESS:
            self._past = self._past.forgiven(event.occurred_at)
        elif event.kind in _KINDS:
            self._add_to_past(event, feedback_of(event))

    def _for(self, event: Recorded) -> Policy:
        is_former = self._since is not None and event.occurred_at < self._since
        return self._former if is_former else self._policy

    def _decide(self, event: Recorded, feedback: Feedback, policy: Policy) -> None:
        decision = decide(feedback, self.user, policy, event.received_at, self._past)
        self._add_to_past(event, feedback)
        before, after = self.user, decision.user or self.user
        bars = (
            before.auto_block_spam is not after.auto_block_spam
            or before.paused_until != after.paused_until
        )
        if bars or not self._has_barred:
            self._has_barred = bars
            self.rule = decision.reason
        self.user = after

    def _add_to_past(self, event: Recorded, feedback: Feedback) -> None:
        if self._policy.needs_past or self._former.needs_past:
            judged = past_event(feedback, event.occurred_at, self._policy)
            self._past = self._past.and_then(judged)
            if len(self._past.events) > 2 * MOST_PAST:
                self._past = Past(_newest(self._past.events), self._past.forgiven_at)


def _newest(events: Sequence[PastEvent]) -> tuple[PastEvent, ...]:
    return tuple(sorted(events, key=attrgetter("occurred_at"))[-MOST_PAST:])


def fold(start: User, events: Iterable[Recorded], policy: Policy) -> User:
    """Return the record that these events, in the order of their ids, make of a record."""
    folding = Fold(start, policy)
    for event in events:
        folding.add(event)
    return folding.user


def users_of(events: Iterable[Recorded], policy: Policy) -> dict[str, User]:
    """Return the records that people have as soon as they are users, by address.

    `events`: theirs, in the order of ids.
    """
    found: dict[str, Fold] = {}
    for event in events:
        key = event.recipient
        if key not in found:
            found[key] = Fold(empty_user(key), policy)
        found[key].add(event)
    return {key: folding.user for key, folding in found.items()}


class Person:
    """What is on record about an address: the user, if there is one, and its events.

    Events are added one by one: an address may have more of them than fit into memory.
    """

    def __init__(self, key: str, user: User | None, first: FirstRecord | None = None) -> None:
        self.key = key
        self.user = user
        self._first = first
        begun = first.record if first else empty_user(key)
        self.start = replace(begun, last_delivery=user.last_delivery) if user else begun
        """The record before its first event. Only the last delivery is kept, so a fold begins with
        it: a delivery forgives what was before it, also if that arrives later."""
        record = user or self.start
        self._missing = {
            ("bounce", record.last_hard_bounce),
            ("bounce", record.last_soft_bounce),
            ("complaint", record.last_complaint),
        } - {
            ("bounce", None),
            ("complaint", None),
            ("bounce", self.start.last_hard_bounce),
            ("bounce", self.start.last_soft_bounce),
            ("complaint", self.start.last_complaint),
        }
        """Dates of the record whose event has not come yet."""
        self._reinstated_at = record.reinstated_at
        self._has_reinstatement = record.reinstated_at in {None, self.start.reinstated_at}
        self._bounces = self.start.hard_bounce_count + self.start.soft_bounce_count
        self._complaints = self.start.complaint_count
        self._explained = set[str]()
        """The block and the `pause_reason`s that events on record may have set since the record was
        last reinstated."""
        self.lacks_fault = False
        """A bounce from before faults were kept."""
        self.newest = 0
        """The id of the newest event."""

    def takes(self, event: Recorded) -> bool:
        """Note an event; return whether it is to be folded, because `start` does not have it."""
        self.newest = event.id
        if self._first and event.id <= self._first.after_event:
            return False
        if event.kind == _BOUNCE:
            self._bounces += 1
            if not event.fault:
                self.lacks_fault = True
        elif event.kind == _COMPLAINT:
            self._complaints += 1
        else:
            if event.kind == REINSTATEMENT and event.occurred_at == self._reinstated_at:
                self._has_reinstatement = True
            return True
        if self._missing:
            self._missing.discard((event.kind, event.occurred_at))
        if not self._reinstated_at or event.occurred_at > self._reinstated_at:
            self._explained |= _set_by(event)
        return True

    @property
    def is_incomplete(self) -> bool:
        """The record counts or dates events that are not on record: somebody deleted them."""
        if self.user is None:
            return False
        counted = self.user.hard_bounce_count + self.user.soft_bounce_count
        return bool(
            self._missing or counted > self._bounces or self.user.complaint_count > self._complaints
        )

    def finished(self, folded: User) -> User:
        """Return what was folded as the user's record.

        A block or a pause that no event on record explains was set by hand, and stays.
        """
        user = self.user
        if user is None:
            return folded
        folded = replace(
            folded,
            email=user.email,
            email_key=user.email_key,
            account_id=user.account_id,
            metrics_enabled=user.metrics_enabled,
        )
        until, reason = user.paused_until, user.pause_reason
        if user.auto_block_spam and not (_BLOCK in self._explained or self.start.auto_block_spam):
            folded = replace(folded, auto_block_spam=True)
        is_by_hand = until != self.start.paused_until and reason not in self._explained
        if until and is_by_hand and (folded.paused_until is None or folded.paused_until < until):
            folded = replace(folded, paused_until=until, pause_reason=reason)
        return folded


def _set_by(event: Recorded) -> frozenset[str]:
    """Return what an event may have set: the block, and pauses by their `pause_reason`.

    The event of an address that was no user took no action. It was folded when it became a
    user, by a policy that is not known.
    """
    if event.user_match != _MISSING:
        blocks, pauses = event.action == _BLOCK and not event.timed, frozenset({event.action})
    else:
        blocks = event.kind == _COMPLAINT or event.mentions_spam
        pauses = _PAUSES if event.kind == _BOUNCE else frozenset()
    if event.kind == _COMPLAINT:
        pauses = frozenset({COMPLAINT})
    return pauses - {_BLOCK} | ({_BLOCK} if blocks else frozenset())
