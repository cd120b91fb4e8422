"""Whether a body is what SQS had: boto3 does not look."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import structlog

log = structlog.get_logger()


def whole(answer: Mapping[str, Any], queue: str) -> Iterator[Mapping[str, Any]]:
    """Go through the messages of a receive, without those changed on the way, or that are none.

    Such a message is logged and left alone: it comes again after its visibility
    timeout. The others of its answer are as good as ever.
    """
    for message in answer.get("Messages") or ():  # an empty list may be absent
        if is_whole(message):
            yield message
        else:
            log.warning("message.corrupted", queue=queue, message_id=message.get("MessageId", "?"))


def is_whole(message: Mapping[str, Any]) -> bool:
    """Compare the body with its digest, where there is one and this machine can make it."""
    if not {"MessageId", "ReceiptHandle", "Body"} <= message.keys():
        return False
    digest = message.get("MD5OfBody")
    try:
        found = hashlib.md5(message["Body"].encode(), usedforsecurity=False).hexdigest()
    except ValueError:  # a policy forbids MD5 for whatever use; or half a surrogate pair has none
        return True
    return not digest or bool(digest == found)
