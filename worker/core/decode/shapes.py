"""What we look at of a message, as msgspec reads it; any key may be missing.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (notifications),
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (events),
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html (envelopes).

A value of another type than SES and SNS document makes msgspec refuse the whole. Such a message is
read again, part by part, by `worker.core.decode.lenient`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import UNSET, Raw, Struct, UnsetType, field


class Named(
    Struct,
    rename={
        "envelope_type": "Type",
        "topic_arn": "TopicArn",
        "message": "Message",
        "notification_type": "notificationType",
        "event_type": "eventType",
        "detail_type": "detail-type",
        "s3_event": "Event",
    },
):
    """What says what a body is, an SNS envelope's and SES's message alike."""

    envelope_type: str | None = None
    topic_arn: str | None = None
    message: str | None = None
    notification_type: str | None = None
    event_type: str | None = None
    source: str | None = None
    detail_type: str | None = None
    s3_event: str | None = None


class Known(
    Struct,
    rename={"address": "emailAddress", "diagnostic": "diagnosticCode"},
    forbid_unknown_fields=True,
    gc=False,
):
    """An entry of `bouncedRecipients` or `complainedRecipients` with keys that SES documents."""

    address: str | None = None
    action: str | None = None
    status: str | None = None
    diagnostic: str | None = None


class Entry(Known):
    """Any other entry, which we put together; one that is no object has nothing."""

    extra: Mapping[str, Any] = {}
    """The keys that SES does not document."""


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

    recipients: list[Known] | None = field(default=None, name="bouncedRecipients")


class OddBounce(BounceText):
    """A `bounce` object with recipients that nobody has read yet."""

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

    recipients: list[Known] | None = field(default=None, name="complainedRecipients")


class OddComplaint(ComplaintText):
    """A `complaint` object with recipients that nobody has read yet."""

    recipients: Raw = field(default=Raw(), name="complainedRecipients")


class Mail(Struct, rename={"message_id": "messageId"}):
    """The `mail` object."""

    message_id: str | None = None


class Usual(Named):
    """A body in which everything is of the documented type: nearly every one, read in one go."""

    bounce: Bounce | UnsetType = UNSET
    complaint: Complaint | UnsetType = UNSET
    mail: Mail | UnsetType = UNSET


class Odd(Named):
    """Any other object. Its parts are decoded when needed, for a bad part may spoil others."""

    bounce: Raw = Raw()
    complaint: Raw = Raw()
    mail: Raw = Raw()


Body = Usual | Odd
