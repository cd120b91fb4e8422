"""A received message as the answer has it: with the requested attributes."""

from collections.abc import Collection
from typing import Any, NamedTuple

from simulators.sqs.errors import SqsError
from simulators.sqs.messages import Attributes, Message, attributes_digest
from simulators.sqs.parameters import Arguments

SENDER_ID = "AIDAEXAMPLEOFTHETWIN"
"""The sender of all messages: signatures are not checked."""
_SYSTEM = frozenset({
    "ApproximateFirstReceiveTimestamp", "ApproximateReceiveCount", "DeadLetterQueueSourceArn",
    "SenderId", "SentTimestamp",
})  # fmt: skip
_ABSENT = frozenset({
    "AWSTraceHeader", "MessageDeduplicationId", "MessageGroupId", "SequenceNumber",
})  # fmt: skip
"""May be requested; no simulated message has them."""


class RequestedAttributes(NamedTuple):
    """The attributes that a receive requests."""

    system: frozenset[str]
    custom: frozenset[str]

    @classmethod
    def by(cls, arguments: Arguments) -> "RequestedAttributes":
        """Parse the names; `AttributeNames` is the older name of `MessageSystemAttributeNames`.

        Raises:
            SqsError: a system attribute that does not exist.

        """
        names = {
            *arguments.get("MessageSystemAttributeNames", ()),
            *arguments.get("AttributeNames", ()),
        }
        if unknown := names - _SYSTEM - _ABSENT - {"All"}:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {min(unknown)}.")
        system = _SYSTEM if "All" in names else frozenset(names)
        return cls(system, frozenset(arguments.get("MessageAttributeNames", ())))


def shown(message: Message, receipt_handle: str, requested: RequestedAttributes) -> dict[str, Any]:
    """Return a message as answered; empty parts are absent."""
    found: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": receipt_handle,
        "MD5OfBody": message.body_md5,
        "Body": message.body,
    }
    if system := _system(message, requested.system):
        found["Attributes"] = system
    if requested.custom and message.attributes:
        chosen = _chosen(message.attributes, requested.custom)
        found["MessageAttributes"] = chosen
        if chosen:
            found["MD5OfMessageAttributes"] = attributes_digest(chosen)
    return found


def _system(message: Message, names: Collection[str]) -> dict[str, str]:
    values = {
        "ApproximateFirstReceiveTimestamp": _milliseconds(message.first_received_at),
        "ApproximateReceiveCount": str(message.receive_count),
        "DeadLetterQueueSourceArn": message.source_arn or "",
        "SenderId": SENDER_ID,
        "SentTimestamp": _milliseconds(message.sent_at),
    }
    return {name: text for name, text in values.items() if text and name in names}


def _chosen(attributes: Attributes, names: Collection[str]) -> dict[str, Any]:
    """Select by name, or by prefix: `text.*`; `All`, `*` and `.*` select all."""
    beginnings = tuple(name[:-2] for name in names if name.endswith(".*"))
    everything = "All" in names or "*" in names
    return {
        name: dict(value)
        for name, value in attributes.items()
        if everything or name in names or name.startswith(beginnings)
    }


def _milliseconds(moment: float) -> str:
    return str(int(moment * 1000))
