"""Takes SES's message out of its wrappings, as many as there are.

SNS puts a message into an envelope, EventBridge into its wrapper, and Lambda hands a function a
list of records, which forwarders pass on. Wrappings occur in one another. What a message must prove
is decided by the outermost of them, since its writer wrote everything inside.

https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html (records of SNS),
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html (records of SQS).
"""

from msgspec import Raw, Struct

from worker.core.acceptance import Acceptance
from worker.core.account_events import AccountEvent
from worker.core.decode import eventbridge
from worker.core.decode.bodies import (
    is_eventbridge,
    is_topic_validated,
    message_in,
    read_body,
    read_measured,
    read_part,
)
from worker.core.decode.errors import Undecodable
from worker.core.decode.foreign import OtherObject, not_a_message, refuse_known
from worker.core.decode.kinds import interpret
from worker.core.decode.shapes import BY_SNS, RAW, Body, Origin, Record
from worker.core.limits import DEEPEST_WRAPPING, LONGEST_TOPIC, MOST_RECIPIENTS, MOST_RECORDS
from worker.core.model import Feedback, Ignored, Malformed, Reason
from worker.core.nesting import count_entries
from worker.core.parsing import clip, read_json

Single = tuple[Feedback, ...] | AccountEvent | Ignored | Malformed
"""What one message of SES's says."""


class Several(Struct, frozen=True):
    """A list of records: what each of them says, in their order."""

    parts: tuple[Single, ...]


class Place(Struct, frozen=True, kw_only=True):
    """Where a text stands: inside which wrappings."""

    origin: Origin = RAW
    """The innermost wrapping."""
    depth: int = 0
    """How many there are."""
    is_accepted: bool = False
    """The outermost wrapping that could prove anything was accepted."""
    in_records: bool = False


OUTERMOST = Place()
_FROM_NO_TOPIC = Reason.FOREIGN_TOPIC, "from no topic"
_NESTED = Malformed(Reason.WRAPPED_TOO_DEEP, "records inside of records")
_IN_ENVELOPE = Place(origin=BY_SNS, depth=1, is_accepted=True)


def read_message(text: str, acceptance: Acceptance, place: Place = OUTERMOST) -> Single | Several:
    """Read a text that is SES's message, or a wrapping.

    Raises:
        Undecodable: it can never be understood, or is not accepted.

    """
    if is_topic_validated(text):
        return Ignored("TopicValidated")
    return _read(read_body(text), text, acceptance, place)


def _read(body: Body, text: str, acceptance: Acceptance, place: Place) -> Single | Several:
    if kind := body.notification_type or body.event_type:
        if acceptance.topics and not place.is_accepted:
            raise Undecodable(*_FROM_NO_TOPIC)
        return interpret(kind, body, text, place.origin)
    if body.envelope_type is not None:
        return _open_envelope(body, acceptance, place)
    if is_eventbridge(body):
        return _open_eventbridge(text, acceptance, place)
    return _read_untyped(text, acceptance, place)


def _open_envelope(envelope: Body, acceptance: Acceptance, place: Place) -> Single | Several:
    if acceptance.topics and not place.is_accepted:
        topic = clip(envelope.topic_arn, LONGEST_TOPIC)
        if topic not in acceptance.topics:
            raise Undecodable(Reason.FOREIGN_TOPIC, f"from {topic or 'no topic'}")
    inside = _IN_ENVELOPE if place is OUTERMOST else _within(place, BY_SNS)
    return read_message(message_in(envelope), acceptance, inside)


def _within(place: Place, origin: Origin) -> Place:
    """Return the place inside a further wrapping that was accepted."""
    return Place(origin=origin, depth=_deeper(place), is_accepted=True, in_records=place.in_records)


def _deeper(place: Place) -> int:
    if place.depth >= DEEPEST_WRAPPING:
        what = f"wrapped more than {DEEPEST_WRAPPING} times: envelopes, EventBridge, records"
        raise Undecodable(Reason.WRAPPED_TOO_DEEP, what)
    return place.depth + 1


def _open_eventbridge(text: str, acceptance: Acceptance, place: Place) -> Single | Several:
    wrapper = eventbridge.read_wrapper(text)
    eventbridge.require_accepted(wrapper, acceptance, by_topic=place.is_accepted)
    inside = _within(place, eventbridge.origin_of(wrapper))
    message = eventbridge.detail_of(wrapper)
    if event := eventbridge.account_event(wrapper, message, inside.origin):
        return event
    is_text = bytes(wrapper.detail).startswith(b'"')
    body = read_body(message) if is_text else read_measured(message)
    if body.notification_type or body.event_type or body.envelope_type or is_eventbridge(body):
        return _read(body, message, acceptance, inside)
    if kind := eventbridge.kind_of(wrapper):
        return interpret(kind, body, message, inside.origin)
    return Ignored(eventbridge.shown_type(wrapper), noteworthy=True)


def _read_untyped(text: str, acceptance: Acceptance, place: Place) -> Single | Several:
    """Read what is neither SES's message nor an envelope: records, or an object of others."""
    found = read_part(text, OtherObject)
    if bytes(found.records).startswith(b"["):
        return _open_records(found.records, acceptance, place)
    if bytes(found.sns).startswith(b"{"):  # a single record, taken out of its list
        return _open_record(text, acceptance, place)
    refuse_known(found)
    if acceptance.topics and not place.is_accepted:
        raise Undecodable(*_FROM_NO_TOPIC)
    if found.event == "s3:TestEvent":
        return Ignored("S3TestEvent")
    raise Undecodable(Reason.NO_TYPE, "neither notificationType nor eventType")


def _open_records(records: Raw, acceptance: Acceptance, place: Place) -> Single | Several:
    """Read all records. A record that cannot be read does not keep the others from being read.

    Records inside of records are not opened, so that their number stays bounded.
    """
    written = bytes(records).decode()
    count = count_entries(written)
    if count > MOST_RECORDS:
        what = f"{count:,} records, more than {MOST_RECORDS:,}"
        raise Undecodable(Reason.TOO_MANY_RECORDS, what)
    if place.in_records:
        return _NESTED
    parts: list[Single] = []
    recipients = 0
    for raw in read_json(written, list[Raw]):
        part = _part(bytes(raw).decode(), acceptance, place)
        recipients += len(part) if isinstance(part, tuple) else 0
        if recipients > MOST_RECIPIENTS:
            what = f"more than {MOST_RECIPIENTS:,} recipients in {count:,} records"
            raise Undecodable(Reason.TOO_MANY_RECIPIENTS, what)
        parts.append(part)
    if not parts:
        raise Undecodable(Reason.NO_TYPE, "a list of no records")
    return parts[0] if len(parts) == 1 else Several(tuple(parts))


def _part(record: str, acceptance: Acceptance, place: Place) -> Single:
    try:
        part = _open_record(record, acceptance, place)
    except Undecodable as error:
        return error.malformed
    return _NESTED if isinstance(part, Several) else part


def _open_record(text: str, acceptance: Acceptance, place: Place) -> Single | Several:
    record = read_part(text, Record)
    if bytes(record.sns):
        listed = Place(depth=place.depth, is_accepted=place.is_accepted, in_records=True)
        return _open_envelope(read_measured(bytes(record.sns).decode()), acceptance, listed)
    if record.body is not None:
        inside = Place(depth=_deeper(place), is_accepted=place.is_accepted, in_records=True)
        return read_message(record.body, acceptance, inside)
    raise not_a_message(record)
