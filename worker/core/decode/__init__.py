"""Decodes the body of an SQS message. Pure, and it raises nothing.

A body is read in three steps, each in a module of its own:

1. `bodies` parses JSON and takes SES's message out of its SNS envelope.
2. This module looks at the type of SES's message.
3. `reports` makes a `Feedback` for each recipient of a bounce or complaint.

Values of undocumented types are read by `lenient`; `shapes` has the documented types.
"""

from collections.abc import Collection

from worker.core.decode.bodies import (
    TOPIC_VALIDATED,
    Undecodable,
    is_envelope,
    is_topic_validated,
    message_in,
    read_body,
)
from worker.core.decode.mail import mail_of
from worker.core.decode.reports import read_feedback
from worker.core.decode.shapes import Body
from worker.core.limits import LONGEST_KIND, LONGEST_SHOWN_KIND, LONGEST_TOPIC
from worker.core.model import AccountEvent, Feedback, Ignored, Kind, Malformed, Reason, Route
from worker.core.parsing import clip

__all__ = ["SETUP_MESSAGE_ID", "TOPIC_VALIDATED", "Decoded", "decode"]

Decoded = tuple[Feedback, ...] | AccountEvent | Ignored | Malformed

SETUP_MESSAGE_ID = "AMAZON_SES_SETUP_NOTIFICATION"
"""The id of the message that SES sends when a receipt rule is set up."""

_NOT_FEEDBACK = frozenset({
    "send", "delivery", "reject", "open", "click",
    "renderingfailure", "deliverydelay", "subscription",
})  # fmt: skip
"""SES's event types that are neither bounce nor complaint, in lower case, without spaces."""


def decode(body: str, topics: Collection[str] = ()) -> Decoded:
    """Decode the body of an SQS message: a `Feedback` per recipient, `Ignored` or `Malformed`.

    The body is an SNS envelope or, with raw message delivery, SES's message itself. If `topics` is
    not empty, only envelopes from these SNS topics are accepted.
    """
    try:
        return _decode(body, topics)
    except Undecodable as error:
        return error.malformed


def _decode(text: str, topics: Collection[str]) -> Decoded:
    if is_topic_validated(text):
        return Ignored("TopicValidated")
    body = read_body(text)
    enveloped = is_envelope(body)
    topic = clip(body.topic_arn, LONGEST_TOPIC) if enveloped else ""
    if topics and topic not in topics:
        raise Undecodable(Reason.FOREIGN_TOPIC, f"from {topic or 'no topic'}")
    if enveloped:
        text = message_in(body)
        if is_topic_validated(text):
            return Ignored("TopicValidated")
        body = read_body(text)
    return _interpret(body, text, Route.SNS if enveloped else Route.RAW)


def _interpret(body: Body, text: str, route: Route) -> Decoded:
    kind = (body.notification_type or body.event_type or "")[:LONGEST_KIND]
    if not kind:
        return _without_type(body)
    match kind.replace(" ", "").lower():
        case "bounce":
            return tuple(read_feedback(Kind.BOUNCE, body, text, route))
        case "complaint":
            return tuple(read_feedback(Kind.COMPLAINT, body, text, route))
        case "amazonsnssubscriptionsucceeded":
            return Ignored("AmazonSnsSubscriptionSucceeded")
        case "received":
            setup = mail_of(body).message_id == SETUP_MESSAGE_ID
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
        raise Undecodable(Reason.EVENTBRIDGE_WRAPPER, hint)
    raise Undecodable(Reason.NO_TYPE, "neither notificationType nor eventType")
