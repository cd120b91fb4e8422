"""The rules, in one table that `decide`, the tests and docs/rules.md share."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import force_setattr

from worker.core.acceptance import EVERYTHING, Acceptance
from worker.core.effects import Lane
from worker.core.model import Action, Feedback, Kind, User
from worker.core.patterns import Patterns
from worker.core.privacy import PrivacyKey

REFUSED_BY_SES = frozenset({
    "Suppressed",
    "OnAccountSuppressionList",
    "OnTenantSuppressionList",
    "EmailValidationSuppressed",
})  # fmt: skip
"""Bounce sub-types by which SES itself refuses to send; the bounce repeats at every send."""
_REFUSALS = frozenset(map(str.lower, REFUSED_BY_SES))
# Types and sub-types come from mailbox providers and from several systems of AWS, which do not
# agree on upper and lower case. So case is ignored.

SPAREABLE = ("sender", "receiver", "message")
"""Faults that `spare_faults` may name: a recipient did not cause such a bounce."""
SPARED = "spared:"
"""Begins the name of the rule that follows from `spare_faults`; the fault ends it."""
TIMED_COMPLAINT = "timed_complaint"
"""The rule of such a complaint."""
COMPLAINT = "complaint"
"""`users.pause_reason` of a complaint that blocks for a time only."""
REPEATS, REPEATS_WITHIN = 3, timedelta(days=90)
"""From the third pause within 90 days on, pauses last `repeat_pause`."""


class UnknownRecipients(StrEnum):
    """What to do with feedback about a recipient who is not a user."""

    RECORD = "record"
    CREATE = "create"
    DEAD_LETTER = "dead_letter"


class Policy(Struct, frozen=True, kw_only=True):
    """The operator's choices (settings `policy.*`, `suppression.remove`, `notify.ignore`)."""

    hard_bounce_pause: timedelta = timedelta(days=30)
    soft_bounce_pause: timedelta = timedelta(days=1)
    unknown_recipients: UnknownRecipients = UnknownRecipients.RECORD
    begin_with_record: bool = True
    """The records of new users begin with the events on record about the address."""
    bounce_actions: Mapping[str, Action] = {}
    """Actions by `Type/SubType` or `Type/*`, tried in that order before the rules."""
    spare_faults: frozenset[str] = frozenset()
    """Bounces by these faults change nothing."""
    soft_bounces_to_pause: int = 1
    """So many soft bounces within `soft_bounce_window` pause; a later delivery forgives them."""
    soft_bounce_window: timedelta = timedelta(days=30)
    repeat_pause: timedelta = timedelta(0)
    """How long the third pause within 90 days lasts, and later ones; 0: as long as the first."""
    ignore_out_of_office: bool = False
    """Automatic replies, which SES reports as bounces, change nothing."""
    trust_status: bool = False
    """A Transient bounce with the status of a permanent failure is a hard bounce."""
    complaint_block: timedelta = timedelta(0)
    """How long a complaint blocks; 0: for good."""
    count_events: bool = True
    """Events that are not kept are counted by the hour: sends, deliveries and so on."""
    track_deliveries: bool = False
    """A user's last delivery is kept (`users.last_delivery`)."""
    acceptance: Acceptance = EVERYTHING
    """The wrappings in which messages are accepted."""
    notify: tuple[Lane, ...] = ()
    """The channels that get notices, an outbox entry each; empty: no notices are enqueued."""
    notices_with_json: int = 10
    """Notices per commit that keep SES's JSON: as many as are sent separately. Further notices are
    combined into a digest, which has no room for JSON."""
    ignore: Patterns = Patterns()
    """Addresses that get no notices and stay on the suppression list."""
    remove: Patterns = Patterns()
    """Addresses to remove from the suppression list after a bounce."""
    privacy_key: PrivacyKey | None = None
    """By which people are recognised who were forgotten; None: it is not set."""
    shadow: "Policy | None" = None
    """A second policy, which decides beside this policy, and on which nobody acts."""
    rules: tuple["Rule", ...] = ()
    """The lines of the table that this policy has; given by the other fields."""
    needs_past: bool = False
    """Whether decisions depend on earlier events of the address; likewise."""

    def __post_init__(self) -> None:
        """Derive what each message needs."""
        force_setattr(self, "rules", _rules_of(self))
        force_setattr(self, "needs_past", self.soft_bounces_to_pause > 1 or bool(self.repeat_pause))

    @property
    def forgives(self) -> bool:
        """Whether a delivery forgives earlier soft bounces."""
        return self.soft_bounces_to_pause > 1

    def pause_for(self, action: Action) -> timedelta:
        """Return how long mail to a user pauses after a bounce, or a complaint."""
        if action is Action.HARD_BOUNCE:
            return self.hard_bounce_pause
        return self.soft_bounce_pause if action is Action.SOFT_BOUNCE else self.complaint_block


class Rule(Struct, frozen=True):
    """A line of the table. The first rule of the feedback's kind that `fits` decides."""

    kind: Kind
    reason: str
    """The rule's name; stored in `events.reason`."""
    when: str
    """The condition in words, for people."""
    fits: Callable[[Feedback, User], bool]
    action: Action
    counts: bool = True
    """Whether a complaint increments `complaint_count`; False if no person complained."""
    setting: str = ""
    """The field of `Policy` that adds this line to the table; empty: it is always there."""
    is_timed: bool = False
    """The block ends by itself: it is a pause."""


def is_refusal(feedback: Feedback) -> bool:
    """Return whether SES refused to send, so that no mailbox answered."""
    notification = feedback.notification
    return _has_type(feedback, "permanent") and (notification.subtype or "").lower() in _REFUSALS


def _has_type(feedback: Feedback, lowered: str) -> bool:
    return (feedback.notification.type or "").lower() == lowered


def _is_opt_out(feedback: Feedback, _: User) -> bool:
    return (feedback.notification.subtype or "").lower() == "unsubscribedrecipient"


def _says_spam(feedback: Feedback, _: User) -> bool:
    return feedback.recipient.mentions_spam


def _is_refusal(feedback: Feedback, _: User) -> bool:
    return is_refusal(feedback)


def _is_permanent(feedback: Feedback, _: User) -> bool:
    return _has_type(feedback, "permanent")


def _is_transient(feedback: Feedback, _: User) -> bool:
    return _has_type(feedback, "transient")


def _is_out_of_office(feedback: Feedback, _: User) -> bool:
    return feedback.out_of_office


def _has_permanent_status(feedback: Feedback, _: User) -> bool:
    return feedback.permanent_status


def _is_repeated_refusal(feedback: Feedback, _: User) -> bool:
    return (feedback.notification.subtype or "").lower().endswith("suppressionlist")


def _is_not_spam(feedback: Feedback, _: User) -> bool:
    return (feedback.notification.type or "").lower() == "not-spam"


def _is_blocked_already(_: Feedback, user: User) -> bool:
    return user.auto_block_spam


def _always(_: Feedback, __: User) -> bool:
    return True


OPTED_OUT = Rule(
    Kind.BOUNCE, "unsubscribed", "sub-type `UnsubscribedRecipient`: opted out of a list",
    _is_opt_out, Action.NO_ACTION,
)  # fmt: skip
OUT_OF_OFFICE = Rule(
    Kind.BOUNCE, "out_of_office",
    "an automatic reply, such as an out-of-office message (`policy.ignore_out_of_office`)",
    _is_out_of_office, Action.NO_ACTION, setting="ignore_out_of_office",
)  # fmt: skip
RULES: tuple[Rule, ...] = (
    OPTED_OUT,
    OUT_OF_OFFICE,
    Rule(
        Kind.BOUNCE, "spam_diagnostic",
        "`spam` in the diagnostic, whatever its case, outside addresses",
        _says_spam, Action.AUTO_BLOCK_SPAM,
    ),
    Rule(
        Kind.BOUNCE, "refused_by_ses", "`Permanent`, with a sub-type by which SES itself refuses",
        _is_refusal, Action.HARD_BOUNCE,
    ),
    Rule(Kind.BOUNCE, "permanent", "`Permanent`", _is_permanent, Action.HARD_BOUNCE),
    Rule(
        Kind.BOUNCE, "permanent_status",
        "`Transient`, with a permanent status: `5.x.x` (`policy.trust_status`)",
        _has_permanent_status, Action.HARD_BOUNCE, setting="trust_status",
    ),
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
        Kind.COMPLAINT, TIMED_COMPLAINT,
        "any other, also of a blocked user (`policy.complaint_block_days`)",
        _always, Action.AUTO_BLOCK_SPAM, setting="complaint_block", is_timed=True,
    ),
    Rule(
        Kind.COMPLAINT, "blocked_already", "the user's flag is set already",
        _is_blocked_already, Action.NO_ACTION,
    ),
    Rule(Kind.COMPLAINT, "complaint", "any other", _always, Action.AUTO_BLOCK_SPAM),
)  # fmt: skip


_NEVER_SPARED = (OPTED_OUT, OUT_OF_OFFICE)


def _rules_of(policy: Policy) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if not rule.setting or getattr(policy, rule.setting))


def _configured(lowered: str, policy: Policy) -> Rule | None:
    for name, action in policy.bounce_actions.items():
        if name.lower() == lowered:
            return Rule(Kind.BOUNCE, f"bounce_actions:{name}", "", _always, action)
    return None


def _is_spared(feedback: Feedback, policy: Policy) -> bool:
    return (
        feedback.fault in policy.spare_faults
        and feedback.notification.kind is Kind.BOUNCE
        and not is_refusal(feedback)
    )


def rule_for(feedback: Feedback, user: User, policy: Policy) -> Rule:
    """Find the rule for a known user.

    First `bounce_actions`, then opt-outs and automatic replies, then `spare_faults`, then the rest
    of the table.
    """
    notification = feedback.notification
    if notification.kind is Kind.BOUNCE and policy.bounce_actions:
        for name in (f"{notification.type}/{notification.subtype}", f"{notification.type}/*"):
            if configured := _configured(name.lower(), policy):
                return configured
    for found in policy.rules:  # `next` of a generator would cost 1 % of a message
        if found.kind is notification.kind and found.fits(feedback, user):
            break  # the last rule of each kind always fits
    if policy.spare_faults and found not in _NEVER_SPARED and _is_spared(feedback, policy):
        return Rule(Kind.BOUNCE, f"{SPARED}{feedback.fault}", "", _always, Action.NO_ACTION)
    return found
