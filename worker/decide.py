"""What one piece of feedback does to one user. Pure: the time is an argument."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from worker.model import Action, Address, Decision, Feedback, Kind, User, UserMatch
from worker.policy import Policy, Rule, UnknownRecipients, is_refusal, rule_for

_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_BOUNCE_COLUMNS = {
    Action.HARD_BOUNCE: ("last_hard_bounce", "hard_bounce_count"),
    Action.SOFT_BOUNCE: ("last_soft_bounce", "soft_bounce_count"),
}


def decide(
    feedback: Feedback, user: User | None, policy: Policy, received_at: datetime
) -> Decision:
    """Decide by the first rule that fits; the user is whose address it is, if anybody's.

    The event's own time counts: one that cannot be read or lies in the future is `received_at`.
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
    if feedback.address is None:
        absent = feedback.recipient.absent
        return absent, Action.NO_ACTION, absent.value, None
    match = UserMatch.FOUND if user else UserMatch.MISSING
    if user is None and policy.unknown_recipients is UnknownRecipients.CREATE:
        user = new_user(feedback.address)
    if user is None:
        return match, Action.NO_ACTION, "unknown_recipient", None
    rule = rule_for(feedback, user, policy)
    return match, rule.action, rule.reason, _after(user, feedback, rule, policy, occurred_at)


def new_user(address: Address) -> User:
    """The record of somebody we have not heard of before."""
    return User(email=address.mailed, email_key=address.key)


def _after(
    user: User, feedback: Feedback, rule: Rule, policy: Policy, occurred_at: datetime
) -> User:
    """The user's record once the rule is applied."""
    if feedback.notification.kind is Kind.COMPLAINT and rule.counts:
        last = user.last_complaint
        user = replace(
            user,
            last_complaint=occurred_at if last is None else max(last, occurred_at),
            complaint_count=user.complaint_count + 1,
        )
    match rule.action:
        case Action.AUTO_BLOCK_SPAM:
            return replace(user, auto_block_spam=True)
        case Action.HARD_BOUNCE | Action.SOFT_BOUNCE:
            return _bounced(user, rule.action, policy, occurred_at, renews=not is_refusal(feedback))
        case Action.NO_ACTION:
            return user


def _bounced(
    user: User, action: Action, policy: Policy, occurred_at: datetime, *, renews: bool
) -> User:
    """Count the bounce; where it is news, move its date forward and pause.

    An older event than the one on record is no news. Nor is a refusal by SES itself where there
    is a date already: refusals come back at every send, and a pause must end.
    """
    date, count = _BOUNCE_COLUMNS[action]
    before = getattr(user, date)
    user = replace(user, **{count: getattr(user, count) + 1})
    if before is not None and (before >= occurred_at or not renews):
        return user
    return _paused(
        replace(user, **{date: occurred_at}), action, policy.pause_for(action), occurred_at
    )


def _paused(user: User, action: Action, pause: timedelta, since: datetime) -> User:
    """`paused_until` is the later of the two pauses; of two that end together, the hard one."""
    until = since + min(pause, _END_OF_TIME - since)
    current = user.paused_until
    outlasted = current is not None and (
        until < current or (until == current and action is Action.SOFT_BOUNCE)
    )
    if not pause or outlasted:
        return user
    return replace(user, paused_until=until, pause_reason=action.value)
