"""The parts of a message that the worker reads, as msgspec types; any key may be missing.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (notifications),
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (events),
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html (envelopes).

msgspec rejects the whole body if a value has another type than SES and SNS document. Such a body is
read again part by part, by `worker.core.decode.lenient`, into the types named `Lenient…`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import UNSET, Raw, Struct, UnsetType, field

from worker.core.model import Route


class Origin(Struct, frozen=True):
    """The innermost wrapping of SES's message, and what it says about the account."""

    route: Route
    account_id: str = ""
    region: str = ""


RAW, BY_SNS = Origin(Route.RAW), Origin(Route.SNS)


class TypeFields(
    Struct,
    rename={
        "envelope_type": "Type",
        "topic_arn": "TopicArn",
        "message": "Message",
        "notification_type": "notificationType",
        "event_type": "eventType",
        "detail_type": "detail-type",
    },
):
    """The keys by which the type of a body is recognised: SNS envelope, SES's message or other."""

    envelope_type: str | None = None
    topic_arn: str | None = None
    message: str | None = None
    notification_type: str | None = None
    event_type: str | None = None
    source: str | None = None
    detail_type: str | None = None


class RecipientEntry(
    Struct,
    rename={"address": "emailAddress", "diagnostic": "diagnosticCode"},
    forbid_unknown_fields=True,
    gc=False,
):
    """An entry of `bouncedRecipients` or `complainedRecipients` with only documented keys."""

    address: str | None = None
    action: str | None = None
    status: str | None = None
    diagnostic: str | None = None


class ExtendedEntry(RecipientEntry):
    """An entry that was read leniently."""

    extra: Mapping[str, Any] = {}
    """The values of undocumented keys."""


class BounceText(
    Struct, rename={"type": "bounceType", "subtype": "bounceSubType", "feedback_id": "feedbackId"}
):
    """The texts of the `bounce` object."""

    type: str | None = None
    subtype: str | None = None
    feedback_id: str | None = None
    timestamp: str | None = None
    user_agent: ClassVar[None] = None


class Bounce(BounceText):
    """The `bounce` object."""

    recipients: list[RecipientEntry] | None = field(default=None, name="bouncedRecipients")


class LenientBounce(BounceText):
    """A `bounce` object whose recipients are not parsed yet."""

    recipients: Raw = field(default=Raw(), name="bouncedRecipients")


class ComplaintText(
    Struct,
    rename={
        "type": "complaintFeedbackType",
        "subtype": "complaintSubType",
        "feedback_id": "feedbackId",
        "user_agent": "userAgent",
    },
):
    """The texts of the `complaint` object."""

    type: str | None = None
    subtype: str | None = None
    feedback_id: str | None = None
    timestamp: str | None = None
    user_agent: str | None = None


class Complaint(ComplaintText):
    """The `complaint` object."""

    recipients: list[RecipientEntry] | None = field(default=None, name="complainedRecipients")


class LenientComplaint(ComplaintText):
    """A `complaint` object whose recipients are not parsed yet."""

    recipients: Raw = field(default=Raw(), name="complainedRecipients")


class Mail(
    Struct,
    rename={
        "message_id": "messageId",
        "source_arn": "sourceArn",
        "account_id": "sendingAccountId",
    },
):
    """The `mail` object. Tags and headers are parsed when they are needed."""

    message_id: str | None = None
    timestamp: str | None = None
    source: str | None = None
    source_arn: str | None = None
    account_id: str | None = None
    tags: Raw = Raw()
    headers: Raw = Raw()


class StrictBody(TypeFields):
    """A body in which all values have the documented types; nearly every body."""

    bounce: Bounce | UnsetType = UNSET
    complaint: Complaint | UnsetType = UNSET
    mail: Mail | UnsetType = UNSET


class LenientBody(TypeFields):
    """Any other JSON object. Each part is parsed when needed, so a bad part harms no other."""

    bounce: Raw = Raw()
    complaint: Raw = Raw()
    mail: Raw = Raw()


Body = StrictBody | LenientBody


class Wrapper(Struct, rename={"detail_type": "detail-type"}):
    """EventBridge's wrapper.

    https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
    """

    source: str | None = None
    detail_type: str | None = None
    account: str | None = None
    region: str | None = None
    time: str | None = None
    resources: Raw = Raw()
    detail: Raw = Raw()


class Record(
    Struct, rename={"sns": "Sns", "sns_source": "EventSource", "event_name": "eventName",
                    "source": "eventSource"},
):  # fmt: skip
    """A record of a Lambda event."""

    sns: Raw = Raw()
    sns_source: str | None = None
    body: str | None = None
    """The body of an SQS message."""
    source: str | None = None
    event_name: str | None = None
