"""The nouns: what arrives, what it means, what is decided, what becomes of the message.

All of them are frozen. `msgspec.Struct` is used as one would use a frozen dataclass; making one
costs a fifth as much, and several are made for every message.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from worker.core.errors import Locked, Misconfigured, Unavailable


class Kind(StrEnum):
    """What a notification of interest is about."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"


class UserMatch(StrEnum):
    """Whether the reported recipient is a known user."""

    FOUND = "found"
    MISSING = "missing"
    NO_ADDRESS = "no_address"
    NO_RECIPIENTS = "no_recipients"


class Action(StrEnum):
    """What is done to a user's record (`events.action`, and `relay_action` in logs)."""

    NO_ACTION = "no_action"
    AUTO_BLOCK_SPAM = "auto_block_spam"
    HARD_BOUNCE = "hard_bounce"
    SOFT_BOUNCE = "soft_bounce"


class Outcome(StrEnum):
    """What became of a received message; each has exactly one."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    DEFERRED = "deferred"
    DEAD_LETTERED = "dead_lettered"


class Reason(StrEnum):
    """Why a message is dead-lettered; the dead letter's attribute and `quarantine.reason`."""

    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    NO_TYPE = "no_type"
    NO_OBJECT = "no_object"
    RECIPIENTS_NOT_A_LIST = "recipients_not_a_list"
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    EVENTBRIDGE_WRAPPER = "eventbridge_wrapper"
    UNKNOWN_ENVELOPE = "unknown_envelope"
    SUBSCRIPTION_CONFIRMATION = "subscription_confirmation"
    UNSUBSCRIBE_CONFIRMATION = "unsubscribe_confirmation"
    FOREIGN_TOPIC = "foreign_topic"
    UNKNOWN_RECIPIENT = "unknown_recipient"
    PROCESSING_FAILED = "processing_failed"
    STORE_REFUSES = "store_refuses"
    """The store broke off at this message alone, twice, and was well for others each time."""


class Address(Struct, frozen=True):
    """A usable e-mail address."""

    key: str
    """What makes two spellings one person: `users.email_key`, `events.recipient`."""
    mailed: str
    """Local part as reported, domain in lower case: the spelling the suppression list knows."""

    @property
    def domain(self) -> str:
        """The part behind the last `@`, in lower-case Punycode."""
        return self.key.rpartition("@")[2]


class Recipient(Struct, frozen=True, kw_only=True):
    """One entry of `bouncedRecipients` or `complainedRecipients`; absent texts are empty."""

    address: Address | None
    absent: UserMatch = UserMatch.NO_ADDRESS
    """What `user_match` says where there is no address."""
    reported: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    mentions_spam: bool = False
    """The diagnostic holds the word, whatever its case."""
    extra: Mapping[str, Any] = {}
    """Keys that SES did not document when this was written."""


class Notification(Struct, frozen=True, kw_only=True):
    """What SES says in one message: a bounce or a complaint, for any number of recipients."""

    kind: Kind
    type: str | None
    """Bounce type, or complaint feedback type."""
    subtype: str | None
    feedback_id: str
    ses_message_id: str
    occurred_at: datetime | None
    """The event's own time in UTC; None where it cannot be read."""
    user_agent: str = ""
    text: str = ""
    """The whole JSON as SES wrote it."""


class Feedback(Struct, frozen=True, kw_only=True):
    """What a notification means for one recipient; one row of `events`."""

    notification: Notification
    recipient: Recipient
    dedupe_key: str
    route_key: str

    @property
    def address(self) -> Address | None:
        """The recipient's address, if a usable one was reported."""
        return self.recipient.address


class Ignored(Struct, frozen=True):
    """Understood, and neither bounce nor complaint."""

    kind: str
    noteworthy: bool = False
    """Worth one warning a kind: AWS has a new type, or something foreign is on the queue."""


class Malformed(Struct, frozen=True):
    """It can never be understood: dead-lettered with the reason."""

    reason: Reason
    detail: str = ""


class User(Struct, frozen=True, kw_only=True):
    """A user record, as far as feedback can change it. Times are UTC."""

    email: str
    email_key: str
    account_id: str | None = None
    metrics_enabled: bool = True
    auto_block_spam: bool = False
    last_hard_bounce: datetime | None = None
    last_soft_bounce: datetime | None = None
    last_complaint: datetime | None = None
    hard_bounce_count: int = 0
    soft_bounce_count: int = 0
    complaint_count: int = 0
    paused_until: datetime | None = None
    pause_reason: str | None = None
    hard_bounce_refused: bool = False
    """`last_hard_bounce` is the time of a refusal by SES itself; no mailbox has bounced yet."""
    soft_bounce_refused: bool = False
    """The same of `last_soft_bounce`, where `bounce_actions` makes soft bounces of refusals."""


class Decision(Struct, frozen=True, kw_only=True):
    """What a piece of feedback does, and the rule that fired."""

    feedback: Feedback
    match: UserMatch
    action: Action
    reason: str
    """The name of the rule that fired; `events.reason`."""
    occurred_at: datetime
    received_at: datetime
    user: User | None
    """The user's record afterwards; None where there is none."""


class Received(Struct, frozen=True, kw_only=True):
    """A message as SQS handed it over, and the lease we hold on it."""

    message_id: str
    body: str
    receipt_handle: str
    receive_count: int
    """SQS's ApproximateReceiveCount: good for back-off, never for correctness."""
    received_at: datetime
    lease_until: float
    """On `worker.timing.clock`, when the visibility timeout runs out, unless it is extended."""
    sent_at: datetime | None = None
    attributes: Mapping[str, Any] = {}
    """MessageAttributes in SQS's own shape."""


class Delete(Struct, frozen=True):
    """Take the message off the queue: its work is committed, or there was none."""

    outcome: Outcome


class Release(Struct, frozen=True):
    """Give the message back; it becomes visible again after `seconds`."""

    seconds: float
    begun: bool = True
    """False: handed back untouched, which is no outcome."""


class DeadLetter(Struct, frozen=True):
    """Dead-letter the message with the reason, then delete it."""

    reason: Reason
    detail: str = ""


Disposition = Delete | Release | DeadLetter


class Handled(Struct, frozen=True):
    """A message, what becomes of it on the queue, and what was newly decided because of it."""

    received: Received
    disposition: Disposition
    decisions: Sequence[Decision] = ()
    ignored: Ignored | None = None
    error: Exception | None = None
    """The error of this message, if any."""

    @property
    def met_an_outage(self) -> bool:
        """The store was unavailable; no message is to blame."""
        return isinstance(self.error, Unavailable | Misconfigured) and not self.is_locked_out

    @property
    def is_locked_out(self) -> bool:
        """Another session holds rows that this message needs, and not those of its neighbours."""
        return isinstance(self.error, Locked)

    @property
    def proves_store_works(self) -> bool:
        """It was committed, or found to be a duplicate."""
        return self.disposition in (Delete(Outcome.APPLIED), Delete(Outcome.DUPLICATE))
