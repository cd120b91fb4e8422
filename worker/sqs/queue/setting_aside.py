"""The attributes of a dead letter, and the error if its queue is missing. Pure."""

from typing import Any

from worker import __version__
from worker.core.masking import sanitized
from worker.core.model import DeadLetter, Received

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


def dead_letter_queue_is_gone(url: str, named_by: str) -> str:
    """Return the error for a missing dead-letter queue, with what to do."""
    name = url.rpartition("/")[2]
    return (
        f"the dead-letter queue {name} is not there, and {named_by} names it: make it again, or "
        "name another there; what it cannot take is kept in the table quarantine"
    )
