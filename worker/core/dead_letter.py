"""Dead letters, in the dead-letter queue or in quarantine. Pure."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from worker.core.limits import LONGEST_SHOWN
from worker.core.masking import cut
from worker.core.model import Received
from worker.core.parsing import parse_time

OURS = "ses_worker_"
"""What the names of our own attributes begin with."""
MAX_RECEIVES = "max_receives"
"""The reason of a dead letter without one: SQS's redrive policy moved it, or a person sent it."""

_LONGEST_WORD = 60
"""Longest reason or version: untrusted, and lists have narrow columns."""
_LONGEST_ID = 100
_LONGEST_URL = 1_000


class Where(StrEnum):
    """The place of a dead letter."""

    DEAD_LETTER_QUEUE = "dead_letter_queue"
    QUARANTINE = "quarantine"


class DeadLetterMessage(Struct, frozen=True, kw_only=True):
    """A dead letter, and what is known about it."""

    where: Where
    received: Received
    """The message; its attributes are its sender's own. In quarantine it has no lease."""
    reason: str
    error: str = ""
    first_seen: datetime | None = None
    """When it first came to us; SQS's word, or our own attribute's."""
    kept_since: datetime | None = None
    """From when on the dead-letter queue counts its retention."""
    source: str = ""
    """The queue it was meant for: its URL, or its ARN."""
    worker_version: str = ""
    original_id: str = ""
    """The message's id when it came to us, as log and Slack name it; empty: nobody knows."""
    row_id: int = 0
    """In quarantine."""

    @property
    def message_id(self) -> str:
        """SQS's name for it."""
        return self.received.message_id

    @property
    def ids(self) -> frozenset[str]:
        """Both names that people may know it by."""
        return frozenset({self.message_id, self.original_id} - {""})

    def without_body(self) -> "DeadLetterMessage":
        """The same, to be kept with many others."""
        return replace(self, received=replace(self.received, body="", attributes={}))

    @property
    def source_name(self) -> str:
        """The name of the queue it was meant for."""
        return self.source.replace("/", ":").rpartition(":")[2]


class DeadLetterFilter(Struct, frozen=True, kw_only=True):
    """Selects dead letters: all, unless reasons or ids are named."""

    reasons: frozenset[str] = frozenset()
    message_ids: frozenset[str] = frozenset()

    def fits(self, dead_letter: DeadLetterMessage) -> bool:
        """Return whether a dead letter is selected."""
        return (not self.reasons or dead_letter.reason in self.reasons) and (
            not self.message_ids or not self.message_ids.isdisjoint(dead_letter.ids)
        )

    @property
    def everything(self) -> bool:
        """All dead letters are selected."""
        return not (self.reasons or self.message_ids)


def dead_letter_from_queue(received: Received, source_arn: str) -> DeadLetterMessage:
    """Read what a message of the dead-letter queue says about itself.

    Anyone who may send to that queue may have written it: nothing of it is trusted with more than
    being shown, but for times, and those are no later than SQS's own.
    """
    theirs = {n: value for n, value in received.attributes.items() if not n.startswith(OURS)}
    first_seen = parse_time(_ours(received, "first_seen"))
    if first_seen is None or (received.sent_at and first_seen > received.sent_at):
        first_seen = received.sent_at
    reason = _ours(received, "reason")
    own = received.message_id  # which SQS's redrive leaves as it was
    return DeadLetterMessage(
        where=Where.DEAD_LETTER_QUEUE,
        received=replace(received, attributes=theirs),
        reason=reason or MAX_RECEIVES,
        error=_ours(received, "error", LONGEST_SHOWN),
        first_seen=first_seen,
        kept_since=received.sent_at,
        source=_ours(received, "source_queue", _LONGEST_URL) or source_arn,
        worker_version=_ours(received, "version"),
        original_id=_ours(received, "message_id", _LONGEST_ID) or ("" if reason else own),
    )


def sendable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Message attributes as SQS takes them; the table has binary ones as base64."""
    return {name: _with_bytes(value) for name, value in attributes.items()}


def size_of(dead_letter: DeadLetterMessage) -> int:
    """Bytes of a message as SQS counts them: body, and names, types and values of attributes."""
    sizes = [_length(dead_letter.received.body)]
    for name, value in sendable(dead_letter.received.attributes).items():
        sizes += [_length(name), *(_length(part) for part in value.values() if part)]
    return sum(sizes)


def _ours(received: Received, name: str, longest: int = _LONGEST_WORD) -> str:
    return cut(_text(received.attributes.get(OURS + name, {})), longest)


def _text(attribute: Mapping[str, Any]) -> str:
    value = attribute.get("StringValue", "")
    return value if isinstance(value, str) else ""


def _with_bytes(attribute: Mapping[str, Any]) -> dict[str, Any]:
    value = attribute.get("BinaryValue")
    if not isinstance(value, str):
        return dict(attribute)
    try:
        return {**attribute, "BinaryValue": base64.b64decode(value, validate=True)}
    except binascii.Error:
        return dict(attribute)


def _length(part: object) -> int:
    if isinstance(part, str):
        return len(part.encode("utf-8", "surrogatepass"))
    return len(part) if isinstance(part, bytes) else 0
