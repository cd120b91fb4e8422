"""What we look at of a message, as msgspec reads it; a key of any type, or none, will do.

https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (notifications),
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (events),
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html (envelopes).
"""

from typing import Any, ClassVar

from msgspec import UNSET, Raw, Struct, UnsetType


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
    """What says what a body is, an SNS envelope's and SES's message's alike; any may be missing."""

    envelope_type: Any = None
    topic_arn: Any = None
    message: Any = None
    notification_type: Any = None
    event_type: Any = None
    source: Any = None
    detail_type: Any = None
    s3_event: Any = None


class Bounce(
    Struct,
    rename={
        "type": "bounceType",
        "subtype": "bounceSubType",
        "recipients": "bouncedRecipients",
        "feedback_id": "feedbackId",
    },
):
    """The `bounce` object."""

    type: Any = None
    subtype: Any = None
    recipients: Any = None
    feedback_id: Any = None
    timestamp: Any = None
    user_agent: ClassVar[None] = None


class Complaint(
    Struct,
    rename={
        "type": "complaintFeedbackType",
        "subtype": "complaintSubType",
        "recipients": "complainedRecipients",
        "feedback_id": "feedbackId",
        "user_agent": "userAgent",
    },
):
    """The `complaint` object."""

    type: Any = None
    subtype: Any = None
    recipients: Any = None
    feedback_id: Any = None
    timestamp: Any = None
    user_agent: Any = None


class Mail(Struct, rename={"message_id": "messageId"}):
    """The `mail` object."""

    message_id: Any = None


class Usual(Named):
    """A body whose parts are objects, where they are there: nearly every one, read in one go."""

    bounce: Bounce | UnsetType = UNSET
    complaint: Complaint | UnsetType = UNSET
    mail: Mail | UnsetType = UNSET


class Odd(Named):
    """Any other object. Its parts stay unread until somebody asks, for one may spoil another."""

    bounce: Raw = Raw()
    complaint: Raw = Raw()
    mail: Raw = Raw()


Body = Usual | Odd
