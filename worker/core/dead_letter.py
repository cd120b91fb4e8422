"""A dead letter, read from the dead-letter queue or from the quarantine. Pure."""

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from worker.core.limits import LONGEST_SHOWN
from worker.core.masking import cut
from worker.core.messages import Received
from worker.core.parsing import parse_time

OURS = "ses_worker_"
"""Prefix of the message attributes that the worker adds."""
MAX_RECEIVES = "max_receives"
"""Reason if there is no attribute for it: SQS's redrive policy or a person moved the message."""

_LONGEST_WORD = 60
"""Characters of a reason or version; both are untrusted, and lists have narrow columns."""
_LONGEST_ID = 100
_LONGEST_URL = 1_000


class Where(StrEnum):
    """Where a dead letter is stored."""

    DEAD_LETTER_QUEUE = "dead_letter_queue"
    QUARANTINE = "quarantine"


class DeadLetterMessage(Struct, frozen=True, kw_only=True):
    """A dead letter and its history."""

    where: Where
    received: Received
    """The message with its sender's own attributes. In quarantine it has no lease."""
    reason: str
    error: str = ""
    first_seen: datetime | None = None
    """When the message was first received, by SQS or by our attribute."""
    kept_since: datetime | None = None
    """When the retention period of the dead-letter queue began."""
    source: str = ""
    """The queue that the message was sent to: its URL or ARN."""
    worker_version: str = ""
    original_id: str = ""
    """The message id in the source queue, as log and Slack name it; empty: unknown."""
    row_id: int = 0
    """The id of its row in `quarantine`; 0 in the dead-letter queue."""

    @property
    def message_id(self) -> str:
        """SQS's id of the message."""
        return self.received.message_id

    @property
    def ids(self) -> frozenset[str]:
        """The ids by which a person may select it: the current and the original."""
        return frozenset({self.message_id, self.original_id} - {""})

    def without_body(self) -> "DeadLetterMessage":
        """Return a copy without body and attributes, of which many can be held in memory."""
        return replace(self, received=replace(self.received, body="", attributes={}))

    @property
    def words(self) -> Mapping[str, str]:
        """What anybody may have written who may send to the dead-letter queue, by field."""
        names = "reason", "error", "source", "worker_version"
        return {name: getattr(self, name) for name in names}

    @property
    def source_name(self) -> str:
        """The name of the queue that the message was sent to."""
        return self.source.replace("/", ":").rpartition(":")[2]


class DeadLetterFilter(Struct, frozen=True, kw_only=True):
    """Selects dead letters by reason and id; an empty set selects all."""

    reasons: frozenset[str] = frozenset()
    message_ids: frozenset[str] = frozenset()

    def fits(self, dead_letter: DeadLetterMessage) -> bool:
        """Return whether a dead letter is selected."""
        return (not self.reasons or dead_letter.reason in self.reasons) and (
            not self.message_ids or not self.message_ids.isdisjoint(dead_letter.ids)
        )

    @property
    def everything(self) -> bool:
        """Whether all dead letters are selected."""
        return not (self.reasons or self.message_ids)


def dead_letter_from_queue(received: Received, source_arn: str) -> DeadLetterMessage:
    """Read a message of the dead-letter queue and its attributes.

    Everybody who may send to that queue can set these attributes, so they are only shown. The
    exception is `first_seen`, which is ignored if it is later than SQS's own time.
    """
    theirs = {n: value for n, value in received.attributes.items() if not n.startswith(OURS)}
    first_seen = parse_time(_ours(received, "first_seen"))
    if first_seen is None or (received.sent_at and first_seen > received.sent_at):
        first_seen = received.sent_at
    reason = _ours(received, "reason")
    own = received.message_id  # SQS's redrive keeps the id
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
    """Convert stored message attributes for SQS; binary values are stored as base64."""
    return {name: _with_bytes(value) for name, value in attributes.items()}


def texts_of(attributes: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names and values of message attributes, binary values as texts, too."""
    for name, value in sendable(attributes).items():
        yield name
        for part in value.values():
            yield part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part)


def size_of(dead_letter: DeadLetterMessage) -> int:
    """Return the size in bytes as SQS counts it: body, and attribute names, types and values."""
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
