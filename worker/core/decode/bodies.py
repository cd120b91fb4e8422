"""Parses bodies, and takes the text out of an SNS envelope."""

from typing import TypeVar

from msgspec import Struct

from worker.core.decode.errors import Undecodable
from worker.core.decode.foreign import refuse_pointer
from worker.core.decode.lenient import read_leniently
from worker.core.decode.shapes import Body, LenientBody, StrictBody
from worker.core.limits import DEEPEST_JSON, LONGEST_SHOWN_KIND, LONGEST_TOPIC
from worker.core.model import Reason
from worker.core.nesting import is_nested_too_deep
from worker.core.parsing import Unreadable, clip, read_json, without_halves

TOPIC_VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
"""The plain text that SES sends to a topic when it is chosen for event publishing."""

_CONFIRMATIONS = {
    "SubscriptionConfirmation": Reason.SUBSCRIPTION_CONFIRMATION,
    "UnsubscribeConfirmation": Reason.UNSUBSCRIBE_CONFIRMATION,
}


Shape = TypeVar("Shape", bound=Struct)


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
    return read_measured(text)


def read_measured(text: str) -> Body:
    """Parse a body that is a part of a JSON text whose depth was measured.

    Raises:
        Undecodable: the text is no JSON object.

    """
    try:
        return read_json(text, StrictBody)
    except Unreadable:
        return read_part(text, LenientBody)


def read_part(text: str, shape: type[Shape]) -> Shape:
    """Read an object part by part, so that a value of a wrong type harms no other.

    Raises:
        Undecodable: the text is no JSON object.

    """
    try:
        return read_leniently(text, shape)
    except Unreadable as error:
        if error.syntax:
            return _read_without_halves(text, shape)
        raise _not_an_object(text, error) from None


def _read_without_halves(text: str, shape: type[Shape]) -> Shape:
    text = without_halves(text)
    try:
        return read_leniently(text, shape)
    except Unreadable as error:
        if error.syntax:
            raise Undecodable(Reason.NOT_JSON, str(error)) from None
        raise _not_an_object(text, error) from None


def _not_an_object(text: str, error: Unreadable) -> Undecodable:
    refuse_pointer(text)
    return Undecodable(Reason.NOT_AN_OBJECT, str(error))


def is_eventbridge(body: Body) -> bool:
    """Return whether a body without a type is EventBridge's wrapper."""
    return body.detail_type is not None and body.source is not None


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
