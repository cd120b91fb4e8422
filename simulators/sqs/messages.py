"""A message: its valid contents, its size and its digests.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
"""

import base64
import binascii
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any

from simulators.sqs.errors import SqsError, invalid
from simulators.sqs.quotas import LONGEST_ATTRIBUTE_NAME, MOST_ATTRIBUTES

Attributes = Mapping[str, Mapping[str, Any]]
"""Message attributes by name, as JSON has them: DataType, and StringValue or BinaryValue."""

_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"(?!\.)(?!.*\.\.)(?!(?i:aws|amazon)\.)[\w.-]+(?<!\.)")
_TYPE = re.compile(r"(String|Number|Binary)(\..+)?")


@dataclass(slots=True, eq=False)
class Message:
    """A message in any state; redrive moves this object itself to another queue."""

    id: str
    body: str
    body_md5: str
    attributes: Attributes
    sent_at: float
    serial: int
    """Orders messages that were sent at the same time."""
    visible_at: float = 0
    received_at: float = 0
    first_received_at: float = 0
    receive_count: int = 0
    """Counted in all queues."""
    receives_here: int = 0
    """Counted in the current queue, as a redrive policy does."""
    source_arn: str | None = None
    """The queue it was dead-lettered from."""
    version: int = field(default=0, repr=False)
    """Increased with each change of state, so that older heap entries are recognised."""


def body_digest(body: str) -> str:
    """Compute MD5OfMessageBody and MD5OfBody."""
    return md5(body.encode(), usedforsecurity=False).hexdigest()


def attributes_digest(attributes: Attributes) -> str:
    """Compute MD5OfMessageAttributes: names in order, each part behind its length."""
    digest = md5(usedforsecurity=False)
    for name in sorted(attributes):
        kind, value = attributes[name]["DataType"], _value(attributes[name])
        digest.update(_with_length(name.encode()) + _with_length(kind.encode()))
        digest.update((b"\2" if kind.startswith("Binary") else b"\1") + _with_length(value))
    return digest.hexdigest()


def size_of(body: str, attributes: Attributes) -> int:
    """Count the bytes that SQS counts."""
    parts = (
        len(_bytes(name)) + len(_bytes(value.get("DataType", ""))) + len(_value(value))
        for name, value in attributes.items()
    )
    return len(_bytes(body)) + sum(parts)


def check_text(text: str) -> None:
    """Refuse characters that XML 1.0 does not allow.

    Raises:
        SqsError: there is such a character.

    """
    if not (text.isascii() and text.isprintable()) and (found := _REFUSED.search(text)):
        raise SqsError(
            "InvalidMessageContents",
            f"Invalid character {found[0]!a}. Allowed are #x9 | #xA | #xD | #x20 to #xD7FF"
            " | #xE000 to #xFFFD | #x10000 to #x10FFFF",
        )


def check_attributes(attributes: Attributes) -> None:
    """Refuse message attributes that SQS refuses.

    Raises:
        SqsError: too many attributes, or a wrong name, type or value.

    """
    if len(attributes) > MOST_ATTRIBUTES:
        raise invalid(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum"
            f" [{MOST_ATTRIBUTES}]."
        )
    for name, value in attributes.items():
        if len(name) > LONGEST_ATTRIBUTE_NAME or not _NAME.fullmatch(name):
            raise invalid(f"Message (user) attribute name '{name}' is invalid.")
        kind = value.get("DataType", "")
        if len(kind) > LONGEST_ATTRIBUTE_NAME or not _TYPE.fullmatch(kind):
            raise invalid(f"The type of message (user) attribute '{name}' is invalid.")
        if not _value(value):
            raise invalid(
                f"Message (user) attribute '{name}' must contain a non-empty value of type"
                f" '{kind}'."
            )
        if not kind.startswith("Binary"):
            check_text(value["StringValue"])


def _value(attribute: Mapping[str, Any]) -> bytes:
    if not attribute.get("DataType", "").startswith("Binary"):
        return _bytes(attribute.get("StringValue") or "")
    try:
        return base64.b64decode(attribute.get("BinaryValue") or "", validate=True)
    except binascii.Error:
        raise SqsError("SerializationException", "BinaryValue is not base64") from None


def _with_length(part: bytes) -> bytes:
    return struct.pack("!I", len(part)) + part


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # lone surrogates are refused later
