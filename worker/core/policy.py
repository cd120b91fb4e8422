"""The rules as a table, which `decide`, the tests and docs/rules.md share."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from worker.core.model import Action, Feedback, Kind, User
from worker.core.patterns import Patterns

REFUSED_BY_SES = frozenset({
    "Suppressed",
    "OnAccountSuppressionList",
    "OnTenantSuppressionList",
    "EmailValidationSuppressed",
})  # fmt: skip
"""Sub-types with which SES itself refuses to send; they come back at every send."""
_REFUSALS = frozenset(map(str.lower, REFUSED_BY_SES))
# Types and sub-types of complaints, and sub-types of bounces, come from mailbox providers and from
# several systems of AWS's: their case says nothing.


class UnknownRecipients(StrEnum):
    """What becomes of feedback about an address that is nobody's."""

    RECORD = "record"
    CREATE = "create"
    DEAD_LETTER = "dead_letter"


class Policy(Struct, frozen=True, kw_only=True):
    """What operators can choose."""

    hard_bounce_pause: timedelta = timedelta(days=30)
    soft_bounce_pause: timedelta = timedelta(days=1)
    unknown_recipients: UnknownRecipients = UnknownRecipients.RECORD
    bounce_actions: Mapping[str, Action] = {}
    """By `Type/SubType`, then `Type/*`; tried before every rule."""
    topics: frozenset[str] = frozenset()
    """SNS topics that are listened to; empty: any."""
    notify: bool = False
    """Notices are enqueued."""
    kept_whole: int = 10
    """Notices of a commit that keep SES's JSON: as many as may be sent separately. The rest is
    folded into a digest, which has no room for JSON."""
    ignore: Patterns = Patterns()
    """Addresses without notices, which also stay on the suppression list."""
    remove: Patterns = Patterns()
    """Addresses that are taken off the suppression list after a bounce."""

    def pause_for(self, action: Action) -> timedelta:
        """How long mail to a user pauses after such a bounce."""
        return self.hard_bounce_pause if action is Action.HARD_BOUNCE else self.soft_bounce_pause


class Rule(Struct, frozen=True):
    """One line of the table: the first one that fits decides."""

    kind: Kind
    reason: str
    """Its name, as `events.reason` has it."""
    when: str
    """Its condition, for people."""
    fits: Callable[[Feedback, User], bool]
    action: Action
    counts: bool = True
    """Whether a complaint counts: false for those that nobody made."""


def is_refusal(feedback: Feedback) -> bool:
    """SES refused to send; no mailbox answered."""
    notification = feedback.notification
    return notification.type == "Permanent" and (notification.subtype or "").lower() in _REFUSALS


def _is_opt_out(feedback: Feedback, _: User) -> bool:
    return (feedback.notification.subtype or "").lower() == "unsubscribedrecipient"


def _says_spam(feedback: Feedback, _: User) -> bool:
    return feedback.recipient.mentions_spam


def _is_refusal(feedback: Feedback, _: User) -> bool:
    return is_refusal(feedback)


def _is_permanent(feedback: Feedback, _: User) -> bool:
    return feedback.notification.type == "Permanent"


def _is_transient(feedback: Feedback, _: User) -> bool:
    return feedback.notification.type == "Transient"


def _is_repeated_refusal(feedback: Feedback, _: User) -> bool:
    return (feedback.notification.subtype or "").lower().endswith("suppressionlist")


def _is_not_spam(feedback: Feedback, _: User) -> bool:
    return (feedback.notification.type or "").lower() == "not-spam"


def _is_blocked_already(_: Feedback, user: User) -> bool:
    return user.auto_block_spam


def _always(_: Feedback, __: User) -> bool:
    return True


RULES: tuple[Rule, ...] = (
    Rule(
        Kind.BOUNCE, "unsubscribed", "sub-type `UnsubscribedRecipient`: opted out of a list",
        _is_opt_out, Action.NO_ACTION,
    ),
    Rule(
        Kind.BOUNCE, "spam_diagnostic", "`spam` in the diagnostic, whatever its case",
        _says_spam, Action.AUTO_BLOCK_SPAM,
    ),
    Rule(
        Kind.BOUNCE, "refused_by_ses", "`Permanent`, with a sub-type by which SES itself refuses",
        _is_refusal, Action.HARD_BOUNCE,
    ),
    Rule(Kind.BOUNCE, "permanent", "`Permanent`", _is_permanent, Action.HARD_BOUNCE),
    Rule(Kind.BOUNCE, "transient", "`Transient`", _is_transient, Action.SOFT_BOUNCE),
    Rule(Kind.BOUNCE, "other_bounce", "any other type, or none", _always, Action.NO_ACTION),
    Rule(
        Kind.COMPLAINT, "refused_by_ses", "sub-type ends in `SuppressionList`",
        _is_repeated_refusal, Action.NO_ACTION, counts=False,
    ),
    Rule(
        Kind.COMPLAINT, "not_spam", "feedback type `not-spam`",
        _is_not_spam, Action.NO_ACTION, counts=False,
    ),
    Rule(
        Kind.COMPLAINT, "blocked_already", "the user's flag is set already",
        _is_blocked_already, Action.NO_ACTION,
    ),
    Rule(Kind.COMPLAINT, "complaint", "any other", _always, Action.AUTO_BLOCK_SPAM),
)  # fmt: skip


def rule_for(feedback: Feedback, user: User, policy: Policy) -> Rule:
    """Find the rule for a known user: the operator's word first, then the table."""
    notification = feedback.notification
    if notification.kind is Kind.BOUNCE and policy.bounce_actions:
        for name in (f"{notification.type}/{notification.subtype}", f"{notification.type}/*"):
            if name in policy.bounce_actions:
                action = policy.bounce_actions[name]
                return Rule(Kind.BOUNCE, f"bounce_actions:{name}", "", _always, action)
    return next(
        rule for rule in RULES if rule.kind is notification.kind and rule.fits(feedback, user)
    )
