"""Finds the outermost envelopes of a body: those whose signatures count. Pure.

The author of the outermost wrapping wrote everything inside, so signatures further in prove
nothing. What is an envelope is decided with the functions, and in the order, of
`worker.core.decode`: a text must not be verified as one thing and applied as another.
"""

from enum import Enum

import msgspec
from msgspec import Raw, Struct

from worker.core.decode.bodies import is_eventbridge, read_body, read_part
from worker.core.decode.errors import Undecodable
from worker.core.decode.foreign import OtherObject
from worker.core.decode.shapes import Record
from worker.core.limits import LONGEST_BODY, MOST_RECORDS
from worker.core.nesting import count_entries
from worker.core.parsing import read_json


class Bare(Enum):
    """What is in no envelope of SNS."""

    UNSIGNED = "unsigned"
    EVENTBRIDGE = "eventbridge"
    MALFORMED = "malformed"
    """Decoding makes it a dead letter, whatever it says."""


class Envelope(
    Struct,
    rename={
        "type": "Type",
        "message_id": "MessageId",
        "topic": "TopicArn",
        "subject": "Subject",
        "message": "Message",
        "timestamp": "Timestamp",
        "token": "Token",
        "subscribe_url": "SubscribeURL",
        "version": "SignatureVersion",
        "signature": "Signature",
        "certificate_url": "SigningCertURL",
        "lambdas_certificate_url": "SigningCertUrl",
        "notification_type": "notificationType",
        "event_type": "eventType",
    },
):
    """An envelope of SNS, with what its signature is about."""

    type: str | None = None
    message_id: str | None = None
    topic: str | None = None
    subject: str | None = None
    message: str | None = None
    timestamp: str | None = None
    token: str | None = None
    subscribe_url: str | None = None
    version: str | None = None
    signature: str | None = None
    certificate_url: str | None = None
    lambdas_certificate_url: str | None = None
    """In the records of Lambda the key is spelt like this."""
    notification_type: Raw = Raw()
    event_type: Raw = Raw()
    """A body with one of these keys is SES's own message, whatever else is in it."""

    @property
    def url(self) -> str:
        """The address of the certificate; empty: none."""
        return self.certificate_url or self.lambdas_certificate_url or ""

    @property
    def is_signed(self) -> bool:
        """Whether it carries a signature, right or wrong."""
        return self.signature is not None


Part = Envelope | Bare

_decode = msgspec.json.Decoder(Envelope).decode
_KNOWN_TYPES = frozenset({"Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"})


def outermost(text: str) -> list[Part]:
    """Return the outermost envelopes of a body, or what it is instead; nothing is raised.

    Nearly every body is one envelope; a list of records has several.
    """
    if len(text) > LONGEST_BODY:
        return [Bare.MALFORMED]
    try:
        envelope = _decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return _read(text)
    if envelope.type not in _KNOWN_TYPES or _has(envelope.notification_type, envelope.event_type):
        return _read(text)
    return [envelope]


def _has(*values: Raw) -> bool:
    return any(map(bytes, values))


def _read(text: str, *, in_records: bool = False) -> list[Part]:
    """Read a text as `worker.core.decode.wrappings` does."""
    try:
        body = read_body(text)
        if body.notification_type or body.event_type:
            return [Bare.UNSIGNED]
        if body.envelope_type is not None:
            return [read_part(text, Envelope)]
        return [Bare.EVENTBRIDGE] if is_eventbridge(body) else _read_untyped(text, in_records)
    except Undecodable:
        return [Bare.MALFORMED]


def _read_untyped(text: str, in_records: bool) -> list[Part]:  # noqa: FBT001 as it is passed on
    found = read_part(text, OtherObject)
    if bytes(found.records).startswith(b"["):
        return [Bare.MALFORMED] if in_records else _read_records(bytes(found.records).decode())
    return _read_record(text) if bytes(found.sns).startswith(b"{") else [Bare.UNSIGNED]


def _read_records(written: str) -> list[Part]:
    if count_entries(written) > MOST_RECORDS:
        return [Bare.MALFORMED]
    records = read_json(written, list[Raw])
    return [part for raw in records for part in _read_record(bytes(raw).decode())]


def _read_record(text: str) -> list[Part]:
    try:
        record = read_part(text, Record)
        if bytes(record.sns):
            return [read_part(bytes(record.sns).decode(), Envelope)]
    except Undecodable:
        return [Bare.MALFORMED]
    if record.body is not None:
        return _read(record.body, in_records=True)
    return [Bare.MALFORMED]
