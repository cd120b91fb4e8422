"""Compares bodies with their MD5 digests, which boto3 does not do."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import structlog

_NEEDED = frozenset({"MessageId", "ReceiptHandle", "Body"})
"""Keys without which a message cannot be handled."""

log = structlog.get_logger()


def intact_messages(answer: Mapping[str, Any], queue: str) -> Iterator[Mapping[str, Any]]:
    """Yield the messages of a receive, without incomplete messages and without altered bodies.

    Such a message is logged and left alone: SQS delivers it again after its visibility timeout.
    """
    for message in answer.get("Messages") or ():  # absent if empty
        if is_whole(message):
            yield message
        else:
            log.warning("message.corrupted", queue=queue, message_id=message.get("MessageId", "?"))


def is_whole(message: Mapping[str, Any]) -> bool:
    """Compare the body with its digest, if SQS sent it and this machine can compute MD5."""
    if not message.keys() >= _NEEDED:
        return False
    digest = message.get("MD5OfBody")
    try:
        found = hashlib.md5(message["Body"].encode(), usedforsecurity=False).hexdigest()
    except ValueError:  # a policy forbids MD5 for any use; or a lone surrogate
        return True
    return not digest or bool(digest == found)
