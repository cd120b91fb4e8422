"""Decides how feedback changes a user record. Pure: the time is an argument."""

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from worker.core.model import Action, Address, Decision, Feedback, Kind, User, UserMatch
from worker.core.past import NOTHING, Past, past_event
from worker.core.pausing import RANKS, REASONS, Pause, forgives_first, later, pauses_of
from worker.core.policy import Policy, Rule, UnknownRecipients, is_refusal, rule_for

BEFORE_REINSTATEMENT = "before_reinstatement"
"""`events.reason` of an event that is older than the user's reinstatement."""
# On Python 3.11 to look up a member of an enumeration takes longer than a call.
_FOUND, _MISSING = UserMatch.FOUND, UserMatch.MISSING
_COMPLAINT, _BLOCK = Kind.COMPLAINT, Action.AUTO_BLOCK_SPAM
_BOUNCE_COLUMNS = {
    Action.HARD_BOUNCE: ("last_hard_bounce", "hard_bounce_refused", "hard_bounce_count"),
    Action.SOFT_BOUNCE: ("last_soft_bounce", "soft_bounce_refused", "soft_bounce_count"),
}
"""By action: the columns that hold the date, whether SES refused on that date, and the count."""
_PAUSED_SINCE = {
    Action.HARD_BOUNCE: "last_hard_bounce",
    Action.SOFT_BOUNCE: "last_soft_bounce",
    Action.AUTO_BLOCK_SPAM: "last_complaint",
}
"""By action: the column that dates the pause."""


def decide(
    feedback: Feedback,
    user: User | None,
    policy: Policy,
    received_at: datetime,
    past: Past = NOTHING,
) -> Decision:
    """Apply the first rule that matches; `user` is None for an unknown recipient.

    The date of the event is its own time, or `received_at` if that time cannot be parsed or is in
    the future. `past`: what happened to the address before, read if `policy.needs_past`.
    """
    occurred_at = feedback.notification.occurred_at or received_at
    occurred_at = min(occurred_at, received_at)
    match, action, reason, afterwards = _judge(feedback, user, policy, occurred_at, past)
    return Decision(
        feedback=feedback,
        match=match,
        action=action,
        reason=reason,
        occurred_at=occurred_at,
        received_at=received_at,
        user=afterwards,
    )


def _judge(
    feedback: Feedback, user: User | None, policy: Policy, occurred_at: datetime, past: Past
) -> tuple[UserMatch, Action, str, User | None]:
    address = feedback.address
    if address is None:
        absent = feedback.recipient.absent
        return absent, Action.NO_ACTION, absent.value, None
    match = _FOUND if user else _MISSING
    if user is None and policy.unknown_recipients is UnknownRecipients.CREATE:
        user = new_user(address)
    if user is None:
        return match, Action.NO_ACTION, "unknown_recipient", None
    rule = rule_for(feedback, user, policy)
    if user.reinstated_at and occurred_at <= user.reinstated_at:
        user = _after(user, feedback, rule, policy, occurred_at, lifted=True)
        return match, Action.NO_ACTION, BEFORE_REINSTATEMENT, user
    after = _after(user, feedback, rule, policy, occurred_at)
    if policy.needs_past and (event := past_event(feedback, occurred_at, policy)):
        before = pauses_of(past, user, policy)
        now = pauses_of(past.and_then(event), user, policy)
        note = now.note_on(event, policy)
        after = _paused_by(user, before.longest(policy), now.longest(policy), after)
        return match, rule.action, f"{rule.reason}:{note}" if note else rule.reason, after
    return match, rule.action, rule.reason, after


def forgive(user: User, delivered_at: datetime, policy: Policy, past: Past) -> tuple[User, bool]:
    """Record a delivery; return whether it forgives soft bounces that none has forgiven before.

    Such a delivery becomes a row of `events`, so that a fold of the rows finds it.
    """
    delivered = replace(user, last_delivery=max(delivered_at, user.last_delivery or delivered_at))
    if not (policy.forgives and forgives_first(delivered_at, user, past)):
        return delivered, False
    before, now = pauses_of(past, user, policy), pauses_of(past, delivered, policy)
    return _paused_by(user, before.longest(policy), now.longest(policy), delivered), True


def _paused_by(user: User, before: Pause, now: Pause, after: User) -> User:
    """Let the pause of a user follow from `before` to `now`; return `after` with that pause.

    A pause that a person has lifted or changed by hand, or another policy has set, can become
    longer only.
    """
    pause = Pause(user.paused_until, user.pause_reason)
    if pause == before or (now.ends_after(before) and now.ends_after(pause)):
        pause = now
    return replace(after, paused_until=pause.until, pause_reason=pause.reason)


def new_user(address: Address) -> User:
    """Create the record of a recipient who is not a user yet."""
    return User(email=address.mailed, email_key=address.key)


def _after(
    user: User,
    feedback: Feedback,
    rule: Rule,
    policy: Policy,
    occurred_at: datetime,
    *,
    lifted: bool = False,
) -> User:
    """Return the user record with the rule applied.

    An event from before a reinstatement (`lifted`) counts, and neither pauses nor blocks.
    """
    if feedback.notification.kind is _COMPLAINT and rule.counts:
        last = user.last_complaint
        user = replace(
            user,
            last_complaint=occurred_at if last is None else max(last, occurred_at),
            complaint_count=user.complaint_count + 1,
        )
    if rule.action in _BOUNCE_COLUMNS:
        refused = is_refusal(feedback)
        return _bounced(user, rule.action, policy, occurred_at, refused=refused, lifted=lifted)
    if rule.action is _BLOCK and not lifted:
        if not rule.is_timed:
            return replace(user, auto_block_spam=True)
        return replace(user, **_extended(user, _BLOCK, policy, occurred_at))
    return user


def _bounced(
    user: User,
    action: Action,
    policy: Policy,
    occurred_at: datetime,
    *,
    refused: bool,
    lifted: bool,
) -> User:
    """Count the bounce; if its date replaces the stored date, move the pause with it."""
    date, date_refused, count = _BOUNCE_COLUMNS[action]
    before = getattr(user, date)
    changes: dict[str, Any] = {count: getattr(user, count) + 1}
    if before and _counts_now(user, before) == lifted:
        # Of two bounces with a reinstatement between them the later counts, whatever they are.
        if lifted:
            return replace(user, **changes)
        before = None
    if _is_kept(occurred_at, before, refused=refused, before_refused=getattr(user, date_refused)):
        changes[date], changes[date_refused] = occurred_at, refused
        if lifted:
            return replace(user, **changes)
        if before is None or occurred_at > before:
            changes |= _extended(user, action, policy, occurred_at)
        elif occurred_at < before:
            changes |= _shortened(user, action, policy, before, occurred_at)
    return replace(user, **changes)


def _counts_now(user: User, since: datetime) -> bool:
    return user.reinstated_at is None or since > user.reinstated_at


def _is_kept(
    occurred_at: datetime, before: datetime | None, *, refused: bool, before_refused: bool
) -> bool:
    """Return whether this bounce's date replaces the stored date; arrival order does not matter.

    - A bounce from a mailbox replaces a refusal by SES itself.
    - Of two bounces from mailboxes the later date is kept.
    - Of two refusals the earlier date is kept: SES refuses again at every send, and if each refusal
      renewed the pause, it would never end.
    """
    if before is None:
        return True
    if refused != before_refused:
        return before_refused
    return occurred_at < before if refused else occurred_at > before


def _extended(user: User, action: Action, policy: Policy, since: datetime) -> dict[str, Any]:
    """Set `paused_until` to the later of the user's pauses.

    Of two pauses that end at the same time `pause_reason` names the hard bounce, or a complaint.
    """
    until = later(since, policy.pause_for(action))
    current = user.paused_until
    reason = REASONS[action]
    outlasted = current is not None and (
        until < current
        or (until == current and RANKS[reason] <= RANKS.get(user.pause_reason or "", 0))
    )
    if until == since or outlasted:
        return {}
    return {"paused_until": until, "pause_reason": reason}


def _shortened(
    user: User, action: Action, policy: Policy, before: datetime, since: datetime
) -> dict[str, Any]:
    """Move the pause back with the date, from `before` to `since`.

    A pause that a person has lifted or changed by hand stays as it is.
    """
    current = user.paused_until
    if user.pause_reason != action.value or current != later(before, policy.pause_for(action)):
        return {}
    user = replace(user, paused_until=None, pause_reason=None)
    for other, column in _PAUSED_SINCE.items():
        other_since = getattr(user, column)
        # The other pause ended no later than this pause, so it was only hidden by it. If it ended
        # later it was lifted by hand, and stays lifted.
        if (
            other is not action
            and other_since
            and _counts_now(user, other_since)
            and later(other_since, policy.pause_for(other)) <= current
        ):
            user = replace(user, **_extended(user, other, policy, other_since))
    cleared = {"paused_until": user.paused_until, "pause_reason": user.pause_reason}
    return cleared | _extended(user, action, policy, since)
