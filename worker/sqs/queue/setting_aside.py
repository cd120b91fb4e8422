"""The attributes of a dead letter, and the error if its queue is missing. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker import __version__
from worker.core.masking import sanitized
from worker.core.messages import DeadLetter, Received

LARGEST_SENDING_BYTES = 1_048_576
"""SQS's limit for the messages of a batch together, and for each message."""
MOST_ATTRIBUTES = 10
"""Message attributes that SQS allows for a message."""


def dead_letter_attributes(received: Received, why: DeadLetter, source_url: str) -> dict[str, Any]:
    """Return attributes with reason and source, and the message's own as far as they fit."""
    texts = {
        "ses_worker_reason": why.reason.value,
        "ses_worker_error": sanitized(why.detail) or "-",
        "ses_worker_first_seen": (received.sent_at or received.received_at).isoformat(),
        "ses_worker_source_queue": source_url,
        "ses_worker_version": __version__,
        "ses_worker_message_id": received.message_id,  # SQS gives the dead letter another id
    }
    ours = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
    theirs = {name: value for name, value in received.attributes.items() if name not in ours}
    return dict(list((ours | theirs).items())[:MOST_ATTRIBUTES])


def entries_that_fit(
    dead_letters: Sequence[tuple[Received, DeadLetter]], source_url: str
) -> list[dict[str, Any]]:
    """Return entries of a batch call for the first dead letters, as many as SQS takes together."""
    entries: list[dict[str, Any]] = []
    room = LARGEST_SENDING_BYTES
    for number, (received, why) in enumerate(dead_letters):
        attributes = dead_letter_attributes(received, why, source_url)
        room -= _size(received.body, attributes)
        if room < 0:
            break
        entry = {"Id": str(number), "MessageBody": received.body, "MessageAttributes": attributes}
        entries.append(entry)
    return entries


def _size(body: str, attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Return at least the bytes that SQS counts: body, and attribute names, types and values."""
    size = _length(body)
    for name, value in attributes.items():
        size += _length(name) + sum(map(_length, value.values()))
    return size


def _length(value: object) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    return len(value) if isinstance(value, bytes) else len(str(value).encode())


def dead_letter_queue_is_gone(url: str, named_by: str) -> str:
    """Return the error for a missing dead-letter queue, with what to do."""
    name = url.rpartition("/")[2]
    return (
        f"the dead-letter queue {name} is not there, and {named_by} names it: make it again, or "
        "name another there; what it cannot take is kept in the table quarantine"
    )
