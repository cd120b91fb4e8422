"""Decides how feedback changes a user record. Pure: the time is an argument."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from worker.core.model import Action, Address, Decision, Feedback, Kind, User, UserMatch
from worker.core.policy import Policy, Rule, UnknownRecipients, is_refusal, rule_for

BEFORE_REINSTATEMENT = "before_reinstatement"
"""`events.reason` of an event that is older than the user's reinstatement."""
# On Python 3.11 to look up a member of an enumeration takes longer than a call.
_FOUND, _MISSING = UserMatch.FOUND, UserMatch.MISSING
_COMPLAINT, _BLOCK = Kind.COMPLAINT, Action.AUTO_BLOCK_SPAM
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_BOUNCE_COLUMNS = {
    Action.HARD_BOUNCE: ("last_hard_bounce", "hard_bounce_refused", "hard_bounce_count"),
    Action.SOFT_BOUNCE: ("last_soft_bounce", "soft_bounce_refused", "soft_bounce_count"),
}
"""By action: the columns that hold the date, whether SES refused on that date, and the count."""
_OTHER_BOUNCE = {
    Action.HARD_BOUNCE: Action.SOFT_BOUNCE,
    Action.SOFT_BOUNCE: Action.HARD_BOUNCE,
}


def decide(
    feedback: Feedback, user: User | None, policy: Policy, received_at: datetime
) -> Decision:
    """Apply the first rule that matches; `user` is None for an unknown recipient.

    The date of the event is its own time, or `received_at` if that time cannot be parsed or is in
    the future.
    """
    occurred_at = feedback.notification.occurred_at or received_at
    occurred_at = min(occurred_at, received_at)
    match, action, reason, afterwards = _judge(feedback, user, policy, occurred_at)
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
    feedback: Feedback, user: User | None, policy: Policy, occurred_at: datetime
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
    return match, rule.action, rule.reason, _after(user, feedback, rule, policy, occurred_at)


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
        return replace(user, auto_block_spam=True)
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
    """Set `paused_until` to the later of the user's two pauses.

    Of two pauses that end at the same time `pause_reason` names the hard bounce.
    """
    until = _pause_end(since, policy.pause_for(action))
    current = user.paused_until
    outlasted = current is not None and (
        until < current or (until == current and action is Action.SOFT_BOUNCE)
    )
    if until == since or outlasted:
        return {}
    return {"paused_until": until, "pause_reason": str(action)}


def _shortened(
    user: User, action: Action, policy: Policy, before: datetime, since: datetime
) -> dict[str, Any]:
    """Move the pause back with the date, from `before` to `since`.

    A pause that a person has lifted or changed by hand stays as it is.
    """
    current = user.paused_until
    if user.pause_reason != action.value or current != _pause_end(before, policy.pause_for(action)):
        return {}
    user = replace(user, paused_until=None, pause_reason=None)
    other = _OTHER_BOUNCE[action]
    other_since = getattr(user, _BOUNCE_COLUMNS[other][0])
    # The other bounce's pause ended no later than this pause, so it was only hidden by it. If it
    # ended later it was lifted by hand, and stays lifted.
    if (
        other_since
        and _counts_now(user, other_since)
        and _pause_end(other_since, policy.pause_for(other)) <= current
    ):
        user = replace(user, **_extended(user, other, policy, other_since))
    cleared = {"paused_until": user.paused_until, "pause_reason": user.pause_reason}
    return cleared | _extended(user, action, policy, since)


def _pause_end(since: datetime, pause: timedelta) -> datetime:
    return since + min(pause, _END_OF_TIME - since)
