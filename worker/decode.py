"""From the body of one SQS message to what it means. Pure, and it never raises.

Shapes: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (notifications),
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (events),
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html (envelopes).
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from msgspec import Raw, Struct

from worker.address import parse_address
from worker.keys import feedback_keys
from worker.model import (
    Feedback,
    Ignored,
    Kind,
    Malformed,
    Notification,
    Reason,
    Recipient,
    UserMatch,
)
from worker.reading import Unreadable, clip, parse_time, read_json

Decoded = tuple[Feedback, ...] | Ignored | Malformed

TOPIC_VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
SETUP_MESSAGE_ID = "AMAZON_SES_SETUP_NOTIFICATION"

_NOT_FEEDBACK = frozenset({
    "send", "delivery", "reject", "open", "click",
    "renderingfailure", "deliverydelay", "subscription",
})  # fmt: skip
_CONFIRMATIONS = {
    "SubscriptionConfirmation": Reason.SUBSCRIPTION_CONFIRMATION,
    "UnsubscribeConfirmation": Reason.UNSUBSCRIBE_CONFIRMATION,
}
_RECIPIENT_KEYS = frozenset({"emailAddress", "action", "status", "diagnosticCode"})


class _Body(
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
    """What we look at, of an SNS envelope and of SES's message alike; anything may be missing.

    `Raw` leaves a part unread until somebody asks: the headers of a mail never are.
    """

    envelope_type: Any = None
    topic_arn: Any = None
    message: Any = None
    notification_type: Any = None
    event_type: Any = None
    bounce: Raw = Raw()
    complaint: Raw = Raw()
    mail: Raw = Raw()
    source: Any = None
    detail_type: Any = None
    s3_event: Any = None


class _Bounce(
    Struct,
    rename={
        "type": "bounceType",
        "subtype": "bounceSubType",
        "recipients": "bouncedRecipients",
        "feedback_id": "feedbackId",
    },
):
    type: Any = None
    subtype: Any = None
    recipients: Any = None
    feedback_id: Any = None
    timestamp: Any = None
    user_agent: None = None


class _Complaint(
    Struct,
    rename={
        "type": "complaintFeedbackType",
        "subtype": "complaintSubType",
        "recipients": "complainedRecipients",
        "feedback_id": "feedbackId",
        "user_agent": "userAgent",
    },
):
    type: Any = None
    subtype: Any = None
    recipients: Any = None
    feedback_id: Any = None
    timestamp: Any = None
    user_agent: Any = None


class _Mail(Struct, rename={"message_id": "messageId"}):
    message_id: Any = None


class _Unfit(Exception):
    """Carries a `Malformed` out of the depths of `decode`; it never leaves this module."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.malformed = Malformed(reason, detail)


def decode(body: str, topics: Collection[str] = ()) -> Decoded:
    """Read the body of an SQS message: a `Feedback` for each recipient, `Ignored`, or `Malformed`.

    The body is an SNS envelope or, with raw message delivery, SES's message itself. Where
    `topics` names SNS topics, only envelopes from those are read.
    """
    try:
        return _decode(body, topics)
    except _Unfit as unfit:
        return unfit.malformed


def _decode(text: str, topics: Collection[str]) -> Decoded:
    if _is_topic_validated(text):
        return Ignored("TopicValidated")
    body = _read_body(text)
    enveloped = _is_envelope(body)
    topic = clip(body.topic_arn, 300) if enveloped else ""
    if topics and topic not in topics:
        raise _Unfit(Reason.FOREIGN_TOPIC, f"from {topic or 'no topic'}")
    if enveloped:
        text = _message_in(body)
        if _is_topic_validated(text):
            return Ignored("TopicValidated")
        body = _read_body(text)
    return _interpret(body, text)


def _is_envelope(body: _Body) -> bool:
    return isinstance(body.envelope_type, str) and not (body.notification_type or body.event_type)


def _is_topic_validated(text: str) -> bool:
    return text.startswith(TOPIC_VALIDATED[:10]) and text.strip() == TOPIC_VALIDATED


def _read_body(text: str) -> _Body:
    try:
        return read_json(text, _Body)
    except Unreadable as unreadable:
        reason = Reason.NOT_JSON if unreadable.syntax else Reason.NOT_AN_OBJECT
        raise _Unfit(reason, str(unreadable)) from None


def _message_in(envelope: _Body) -> str:
    if reason := _CONFIRMATIONS.get(envelope.envelope_type):
        raise _Unfit(reason, f"for {clip(envelope.topic_arn, 300) or 'no topic'}")
    if envelope.envelope_type != "Notification" or not isinstance(envelope.message, str):
        what = f"Type {clip(envelope.envelope_type, 60)!r} with no text in Message"
        raise _Unfit(Reason.UNKNOWN_ENVELOPE, what)
    return envelope.message


def _interpret(body: _Body, text: str) -> Decoded:
    named = (body.notification_type, body.event_type)
    kind = next((name for name in named if isinstance(name, str) and name), None)
    if kind is None:
        return _without_type(body)
    match kind.replace(" ", "").lower():
        case "bounce":
            return tuple(_feedback(Kind.BOUNCE, body, text))
        case "complaint":
            return tuple(_feedback(Kind.COMPLAINT, body, text))
        case "amazonsnssubscriptionsucceeded":
            return Ignored("AmazonSnsSubscriptionSucceeded")
        case "received":
            setup = _message_id(body) == SETUP_MESSAGE_ID
            return Ignored("SetupNotification") if setup else Ignored("Received", noteworthy=True)
        case known if known in _NOT_FEEDBACK:
            return Ignored(kind)
        case _:
            return Ignored(clip(kind, 60), noteworthy=True)


def _without_type(body: _Body) -> Ignored:
    if body.s3_event == "s3:TestEvent":
        return Ignored("S3TestEvent")
    if body.detail_type is not None and body.source is not None:
        hint = "EventBridge wraps SES's events; have SES publish to an SNS topic instead"
        raise _Unfit(Reason.EVENTBRIDGE_WRAPPER, hint)
    raise _Unfit(Reason.NO_TYPE, "neither notificationType nor eventType")


def _feedback(kind: Kind, body: _Body, text: str) -> Iterator[Feedback]:
    said = _report(kind, body)
    if not isinstance(said.recipients, list | None):
        raise _Unfit(Reason.RECIPIENTS_NOT_A_LIST, f"the recipients of the {kind} are no list")
    notification = Notification(
        kind=kind,
        type=_name(said.type),
        subtype=_name(said.subtype),
        feedback_id=clip(said.feedback_id, 1_000),
        ses_message_id=_message_id(body),
        occurred_at=parse_time(said.timestamp),
        user_agent=clip(said.user_agent, 1_000),
        text=text,
    )
    for recipient, told_apart in _one_per_person(said.recipients or ()):
        dedupe_key, route_key = feedback_keys(notification, clip(said.timestamp, 100), told_apart)
        yield Feedback(
            notification=notification,
            recipient=recipient,
            dedupe_key=dedupe_key,
            route_key=route_key,
        )


def _report(kind: Kind, body: _Body) -> _Bounce | _Complaint:
    try:
        if kind is Kind.BOUNCE:
            return read_json(body.bounce, _Bounce)
        return read_json(body.complaint, _Complaint)
    except Unreadable:
        raise _Unfit(Reason.NO_OBJECT, f"says {kind} and has no {kind} object") from None


def _name(value: object) -> str | None:
    return clip(value, 200) if isinstance(value, str) else None


def _message_id(body: _Body) -> str:
    try:
        return clip(read_json(body.mail, _Mail).message_id, 1_000)
    except Unreadable:
        return ""


def _one_per_person(entries: Iterable[object]) -> Iterator[tuple[Recipient, str]]:
    """Each recipient once, with what tells it from the others.

    Of several spellings of one person the one whose diagnostic says spam wins, else the first.
    Entries without a usable address are told apart by their order; no entries at all are one
    recipient without an address.
    """
    people: dict[str, Recipient] = {}
    nameless = 0
    for recipient in map(_recipient, entries):
        if recipient.address is None:
            yield recipient, f"#{nameless}"
            nameless += 1
            continue
        key = recipient.address.key
        if key not in people or (recipient.mentions_spam and not people[key].mentions_spam):
            people[key] = recipient
    for key, recipient in people.items():
        yield recipient, key
    if not people and not nameless:
        yield Recipient(address=None, absent=UserMatch.NO_RECIPIENTS), ""


def _recipient(entry: object) -> Recipient:
    if not isinstance(entry, dict):
        return Recipient(address=None)
    reported, diagnostic = clip(entry.get("emailAddress"), 2_000), entry.get("diagnosticCode")
    return Recipient(
        address=parse_address(reported),
        reported=reported,
        action=clip(entry.get("action"), 200),
        status=clip(entry.get("status"), 200),
        diagnostic=clip(diagnostic),
        mentions_spam=isinstance(diagnostic, str) and "spam" in diagnostic.lower(),
        extra={key: value for key, value in entry.items() if key not in _RECIPIENT_KEYS},
    )
