"""The data types of the core, in the order in which a message goes through them.

A `Received` message (`worker.core.messages`) is decoded to `Feedback` (or `Ignored`, `Malformed` or
an `AccountEvent`), feedback about a `User` becomes a `Decision`, and the message gets a
`Disposition`: delete, release or dead-letter.

All types are immutable. `msgspec.Struct` stands in for a frozen dataclass because several objects
are created for every message, and creating a `Struct` takes a fifth of the time. Likewise the text
of an enumeration is written `str(member)`: `member.value` takes five times as long.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Kind(StrEnum):
    """The two kinds of notification that change user records."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"


REINSTATEMENT = "reinstatement"
"""`events.kind` of a row that says who lifted a pause or block, and why; SES has no such event."""
OFF_LIST = "suppression_list"
"""`events.subtype` of a reinstatement that also asks to take the address off SES's list."""


FORGIVENESS = "forgiveness"
"""`events.kind` of a row that says when a delivery forgave soft bounces; SES has no such event."""


class Route(StrEnum):
    """How SES's message reached the queue: its innermost wrapping (`events.route`)."""

    SNS = "sns"
    RAW = "raw"
    EVENTBRIDGE = "eventbridge"


class UserMatch(StrEnum):
    """Whether the reported recipient is a known user (`events.user_match`)."""

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
    """The result of processing a message; every received message has exactly one outcome."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    DEFERRED = "deferred"
    DEAD_LETTERED = "dead_lettered"


class Reason(StrEnum):
    """Why a message is dead-lettered; the dead letter's attribute and `quarantine.reason`."""

    TOO_LONG = "too_long"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    NO_TYPE = "no_type"
    NO_OBJECT = "no_object"
    RECIPIENTS_NOT_A_LIST = "recipients_not_a_list"
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    TOO_MANY_RECORDS = "too_many_records"
    WRAPPED_TOO_DEEP = "wrapped_too_deep"
    EVENTBRIDGE_NOT_ACCEPTED = "eventbridge_not_accepted"
    FOREIGN_EVENT = "foreign_event"
    """An event of another AWS service."""
    CLOUDWATCH_ALARM = "cloudwatch_alarm"
    S3_POINTER = "s3_pointer"
    UNKNOWN_ENVELOPE = "unknown_envelope"
    SUBSCRIPTION_CONFIRMATION = "subscription_confirmation"
    UNSUBSCRIBE_CONFIRMATION = "unsubscribe_confirmation"
    FOREIGN_TOPIC = "foreign_topic"
    WRONG_SIGNATURE = "wrong_signature"
    """SNS did not sign it; or nobody did, where that is required."""
    UNKNOWN_RECIPIENT = "unknown_recipient"
    PROCESSING_FAILED = "processing_failed"
    STORE_REFUSES = "store_refuses"
    """The store failed at this message alone, twice, and accepted other messages both times."""


class Address(Struct, frozen=True):
    """A usable e-mail address."""

    key: str
    """The normalised address. Spellings with the same key are the same person
    (`users.email_key`, `events.recipient`)."""
    mailed: str
    """Local part as reported, domain in lower case: the spelling in SES's suppression list."""

    @property
    def domain(self) -> str:
        """The part after the last `@`, in lower-case Punycode."""
        return self.key.rpartition("@")[2]


class Recipient(Struct, frozen=True, kw_only=True):
    """An entry of `bouncedRecipients` or `complainedRecipients`; missing texts are empty."""

    address: Address | None
    absent: UserMatch = UserMatch.NO_ADDRESS
    """The `user_match` of an entry without a usable address."""
    reported: str = ""
    action: str = ""
    status: str = ""
    diagnostic: str = ""
    mentions_spam: bool = False
    """The diagnostic contains `spam`, in upper or lower case, outside addresses."""
    extra: Mapping[str, Any] = {}
    """Keys that SES does not document."""


class SentMail(Struct, frozen=True):
    """What SES says about the mail that bounced or was complained about; missing texts are empty.

    The names of sets, tenants and tags are the customer's: untrusted texts.
    """

    configuration_set: str = ""
    tenant: str = ""
    sender: str = ""
    """The normalised address of the sender, without display name."""
    sent_at: datetime | None = None
    account_id: str = ""
    """The AWS account that sent it."""
    region: str = ""
    tags: str = "{}"
    """The customer's own tags, without SES's automatic tags: a JSON object of lists of values."""


class Notification(Struct, frozen=True, kw_only=True):
    """SES's message: a bounce or a complaint, about any number of recipients."""

    kind: Kind
    type: str | None
    """Bounce type, or complaint feedback type."""
    subtype: str | None
    feedback_id: str
    ses_message_id: str
    occurred_at: datetime | None
    """The event's own time in UTC; None if it cannot be parsed."""
    user_agent: str = ""
    text: str = ""
    """The complete JSON text as SES wrote it."""
    mail: SentMail = SentMail()
    route: Route = Route.RAW


class Feedback(Struct, frozen=True, kw_only=True):
    """A notification's meaning for one recipient; becomes a row of `events`."""

    notification: Notification
    recipient: Recipient
    dedupe_key: str
    route_key: str
    fault: str = ""
    """Whose fault a bounce was (`events.fault`); empty for a complaint."""
    out_of_office: bool = False
    """The bounce is an automatic reply (`worker.core.automatic_replies`)."""
    permanent_status: bool = False
    """A Transient bounce has the status of a permanent failure, `5.x.x`."""

    @property
    def address(self) -> Address | None:
        """The recipient's address; None if no usable address was reported."""
        return self.recipient.address


class Counted(Struct, frozen=True, kw_only=True):
    """What is counted of an event that is not kept: a Send, a Delivery, an Open and so on."""

    measure: str
    """As what it is counted (`worker.core.counting.Measure`)."""
    type: str = ""
    """Of a delay: its type."""
    occurred_at: datetime | None
    """SES's own time; None if it cannot be parsed."""
    domains: Sequence[str]
    """Of the recipients, an entry for each; empty text: unknown. Opens and clicks have one entry,
    for SES does not report which of several recipients it was."""
    delivered_to: Sequence[str] = ()
    """Of a delivery: the keys of the recipients (`users.email_key`)."""
    configuration_set: str
    tenant: str


class Ignored(Struct, frozen=True):
    """A message that was understood and is neither a bounce nor a complaint."""

    kind: str
    noteworthy: bool = False
    """Log a warning, once for each kind: a new type of AWS's, or a foreign message in the queue."""
    counted: Counted | None = None


class Malformed(Struct, frozen=True):
    """A message that can never be understood; it is dead-lettered with the reason."""

    reason: Reason
    detail: str = ""


class User(Struct, frozen=True, kw_only=True):
    """A user record: identity, and the fields that feedback changes. Times are UTC."""

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
    """`last_hard_bounce` is the time SES itself refused to send; no mailbox has bounced yet."""
    soft_bounce_refused: bool = False
    """Likewise for `last_soft_bounce`, if `bounce_actions` maps refusals to soft bounces."""
    reinstated_at: datetime | None = None
    """When an operator last lifted pause and block: events up to then count, and bar nobody."""
    last_delivery: datetime | None = None
    """The time of the latest delivery, if `policy.track_deliveries`."""


class Decision(Struct, frozen=True, kw_only=True):
    """The effect of one `Feedback` on a user record, and the rule that fired."""

    feedback: Feedback
    match: UserMatch
    action: Action
    reason: str
    """The name of the rule that fired; `events.reason`."""
    occurred_at: datetime
    received_at: datetime
    user: User | None
    """The user record after the decision; None for an unknown recipient."""


class Forgiveness(Struct, frozen=True):
    """A delivery that forgave soft bounces of a user; becomes a row of `events`."""

    email_key: str
    delivered_at: datetime
    received_at: datetime
    """When the delivery became known, or an older soft bounce that arrived after it."""
