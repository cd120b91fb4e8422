"""Parses bodies, and takes SES's message out of an SNS envelope."""

from worker.core.decode.lenient import read_leniently
from worker.core.decode.shapes import Body, LenientBody, StrictBody
from worker.core.limits import DEEPEST_JSON, LONGEST_DETAIL, LONGEST_SHOWN_KIND, LONGEST_TOPIC
from worker.core.model import Malformed, Reason
from worker.core.nesting import is_nested_too_deep
from worker.core.parsing import Unreadable, clip, read_json, without_halves

TOPIC_VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
"""The plain text that SES sends to a topic when it is chosen for event publishing."""

_CONFIRMATIONS = {
    "SubscriptionConfirmation": Reason.SUBSCRIPTION_CONFIRMATION,
    "UnsubscribeConfirmation": Reason.UNSUBSCRIBE_CONFIRMATION,
}


class Undecodable(Exception):
    """The message can never be understood. `decode` catches this and returns `malformed`."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.malformed = Malformed(reason, clip(detail, LONGEST_DETAIL))


def is_topic_validated(text: str) -> bool:
    """Return whether the text is SES's plain-text greeting to a topic."""
    return text.startswith(TOPIC_VALIDATED[:10]) and text.strip() == TOPIC_VALIDATED


def read_body(text: str) -> Body:
    """Parse an envelope or a message: strictly, or leniently if a value has a wrong type.

    Raises:
        Undecodable: the text is no JSON object, or is nested too deep.

    """
    if is_nested_too_deep(text):
        raise Undecodable(Reason.NOT_JSON, f"nested more than {DEEPEST_JSON} levels deep")
    try:
        return read_json(text, StrictBody)
    except Unreadable:
        return _read_lenient_body(without_halves(text))


def _read_lenient_body(text: str) -> LenientBody:
    try:
        return read_leniently(text, LenientBody)
    except Unreadable as error:
        reason = Reason.NOT_JSON if error.syntax else Reason.NOT_AN_OBJECT
        raise Undecodable(reason, str(error)) from None


def is_envelope(body: Body) -> bool:
    """Return whether the body is an SNS envelope and not SES's message."""
    return body.envelope_type is not None and not (body.notification_type or body.event_type)


def message_in(envelope: Body) -> str:
    """Return the text of the message in an SNS envelope.

    Raises:
        Undecodable: the envelope holds a confirmation, or no text.

    """
    if reason := _CONFIRMATIONS.get(envelope.envelope_type or ""):
        raise Undecodable(reason, f"for {clip(envelope.topic_arn, LONGEST_TOPIC) or 'no topic'}")
    if envelope.envelope_type != "Notification" or envelope.message is None:
        what = f"Type {clip(envelope.envelope_type, LONGEST_SHOWN_KIND)!r} with no text in Message"
        raise Undecodable(Reason.UNKNOWN_ENVELOPE, what)
    return envelope.message
