"""Decodes the body of an SQS message. Pure, and it never raises."""

from collections.abc import Collection, Iterable, Iterator

from msgspec import UNSET, Raw

from worker.core.decode.lenient import count_recipients, read_entries, read_leniently
from worker.core.decode.recipients import unique_per_person
from worker.core.decode.shapes import (
    Body,
    Bounce,
    Complaint,
    Known,
    Mail,
    Odd,
    OddBounce,
    OddComplaint,
    Usual,
)
from worker.core.keys import Names, feedback_keys, whole
from worker.core.limits import (
    DEEPEST_JSON,
    LONGEST_DETAIL,
    LONGEST_ID,
    LONGEST_KIND,
    LONGEST_SHOWN_KIND,
    LONGEST_TIME_IN_KEY,
    LONGEST_TOPIC,
    LONGEST_TYPE,
    LONGEST_USER_AGENT,
    MOST_RECIPIENTS,
)
from worker.core.model import Feedback, Ignored, Kind, Malformed, Notification, Reason
from worker.core.nesting import is_nested_too_deep
from worker.core.parsing import Unreadable, clip, parse_time, read_json, without_halves

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


class _Unfit(Exception):
    """Carries a `Malformed` out of the depths of `decode`; it never leaves this module."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.malformed = Malformed(reason, clip(detail, LONGEST_DETAIL))


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
    topic = clip(body.topic_arn, LONGEST_TOPIC) if enveloped else ""
    if topics and topic not in topics:
        raise _Unfit(Reason.FOREIGN_TOPIC, f"from {topic or 'no topic'}")
    if enveloped:
        text = _message_in(body)
        if _is_topic_validated(text):
            return Ignored("TopicValidated")
        body = _read_body(text)
    return _interpret(body, text)


def _is_envelope(body: Body) -> bool:
    return body.envelope_type is not None and not (body.notification_type or body.event_type)


def _is_topic_validated(text: str) -> bool:
    return text.startswith(TOPIC_VALIDATED[:10]) and text.strip() == TOPIC_VALIDATED


def _read_body(text: str) -> Body:
    if is_nested_too_deep(text):
        raise _Unfit(Reason.NOT_JSON, f"nested more than {DEEPEST_JSON} levels deep")
    try:
        return read_json(text, Usual)
    except Unreadable:
        return _read_odd_body(without_halves(text))


def _read_odd_body(text: str) -> Odd:
    try:
        return read_leniently(text, Odd)
    except Unreadable as unreadable:
        reason = Reason.NOT_JSON if unreadable.syntax else Reason.NOT_AN_OBJECT
        raise _Unfit(reason, str(unreadable)) from None


def _message_in(envelope: Body) -> str:
    if reason := _CONFIRMATIONS.get(envelope.envelope_type or ""):
        raise _Unfit(reason, f"for {clip(envelope.topic_arn, LONGEST_TOPIC) or 'no topic'}")
    if envelope.envelope_type != "Notification" or envelope.message is None:
        what = f"Type {clip(envelope.envelope_type, LONGEST_SHOWN_KIND)!r} with no text in Message"
        raise _Unfit(Reason.UNKNOWN_ENVELOPE, what)
    return envelope.message


def _interpret(body: Body, text: str) -> Decoded:
    kind = (body.notification_type or body.event_type or "")[:LONGEST_KIND]
    if not kind:
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
            return Ignored(clip(kind, LONGEST_SHOWN_KIND), noteworthy=True)


def _without_type(body: Body) -> Ignored:
    if body.s3_event == "s3:TestEvent":
        return Ignored("S3TestEvent")
    if body.detail_type is not None and body.source is not None:
        hint = "EventBridge wraps SES's events; have SES publish to an SNS topic instead"
        raise _Unfit(Reason.EVENTBRIDGE_WRAPPER, hint)
    raise _Unfit(Reason.NO_TYPE, "neither notificationType nor eventType")


def _feedback(kind: Kind, body: Body, text: str) -> Iterator[Feedback]:
    part = _report(kind, body)
    entries = _entries(kind, part)
    message_id = _message_id(body)
    notification = Notification(
        kind=kind,
        type=_name(part.type),
        subtype=_name(part.subtype),
        feedback_id=clip(part.feedback_id, LONGEST_ID),
        ses_message_id=clip(message_id, LONGEST_ID),
        occurred_at=parse_time(part.timestamp),
        user_agent=clip(part.user_agent, LONGEST_USER_AGENT),
        text=text,
    )
    names = Names(
        feedback_id=whole(part.feedback_id, notification.feedback_id),
        message_id=whole(message_id, notification.ses_message_id),
        type=whole(part.type, notification.type or ""),
        subtype=whole(part.subtype, notification.subtype or ""),
        timestamp=whole(part.timestamp, clip(part.timestamp, LONGEST_TIME_IN_KEY)),
    )
    for recipient, distinguished in unique_per_person(entries):
        dedupe_key, route_key = feedback_keys(notification, names, distinguished)
        yield Feedback(
            notification=notification,
            recipient=recipient,
            dedupe_key=dedupe_key,
            route_key=route_key,
        )


def _report(kind: Kind, body: Body) -> Bounce | Complaint | OddBounce | OddComplaint:
    given = body.bounce if kind is Kind.BOUNCE else body.complaint
    if isinstance(given, Bounce | Complaint):
        return given
    if given is UNSET or not bytes(given):
        raise _Unfit(Reason.NO_OBJECT, f"says {kind} and has no {kind} object")
    try:
        if kind is Kind.BOUNCE:
            return read_leniently(given, OddBounce)
        return read_leniently(given, OddComplaint)
    except Unreadable as unreadable:
        what = f"its {kind} object cannot be read: {unreadable}"
        raise _Unfit(Reason.NO_OBJECT, what) from None


def _entries(kind: Kind, part: Bounce | Complaint | OddBounce | OddComplaint) -> Iterable[Known]:
    """Its recipients. Of too many none is looked at."""
    try:
        if isinstance(part, Bounce | Complaint):
            entries: Iterable[Known] = part.recipients or ()
            count = len(part.recipients or ())
        else:
            entries = read_entries(part.recipients)
            count = count_recipients(part.recipients)
    except Unreadable:
        what = f"the recipients of the {kind} are no list"
        raise _Unfit(Reason.RECIPIENTS_NOT_A_LIST, what) from None
    if count > MOST_RECIPIENTS:
        what = f"{count:,} recipients, more than {MOST_RECIPIENTS:,}; SES reports at most 50"
        raise _Unfit(Reason.TOO_MANY_RECIPIENTS, what)
    return entries


def _name(value: str | None) -> str | None:
    return None if value is None else clip(value, LONGEST_TYPE)


def _message_id(body: Body) -> str | None:
    mail = body.mail
    if isinstance(mail, Raw):
        try:
            mail = read_leniently(mail, Mail)
        except Unreadable:
            return None
    return None if mail is UNSET else mail.message_id
