"""The two keys by which repeated feedback is recognised as a duplicate.

SQS and SNS give a redelivered or republished message new ids, so the keys use none of theirs. SES
can publish a bounce by two routes, as a notification and as an event, and AWS does not document
whether both carry the same feedback id. So there are two keys, and feedback that matches a stored
event in either key is a duplicate:

- `dedupe_key`: kind, feedback id, recipient;
- `route_key`: kind, SES message id, recipient, type, sub-type, event time.

A key is SES's id, shortened, and a digest. SES's ids begin with a time stamp, so an index on the
keys grows at its end and not all over. The digest limits the length of a key whatever the
untrusted sender wrote, and covers the whole text: ids that differ only in their ends get
different keys.
"""

import re
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b

from msgspec import Struct

from worker.core.model import FORGIVENESS, Notification
from worker.core.times import iso_text

_LONGEST_PREFIX = 100
"""Characters of the id at the start of a key; SES's ids have 60."""
_DIGEST_BYTES = 12
_FRACTION = re.compile(r"\.\d*")
_TIME_CHARACTERS = 16
_TIME = re.compile(r"[0-9a-f]{16}")
"""How SES's ids begin: a region and a time stamp. Anything else could be a part of an address."""


class Names(Struct, frozen=True, kw_only=True):
    """The texts that identify a notification, as `text_for_key` returns them; empty: missing."""

    feedback_id: str
    message_id: str
    type: str
    subtype: str
    timestamp: str
    """The event time as SES wrote it, used in the key if it cannot be parsed."""


def text_for_key(written: object, kept: str) -> str:
    """Return the stored part of a text; if it was cut off, add a digest of the whole text."""
    if written == kept or not isinstance(written, str):
        return kept
    return f"{kept}\0{_digest(written.encode('utf-8', 'surrogatepass'))}"


def feedback_keys(notification: Notification, names: Names, recipient: str) -> tuple[str, str]:
    """Return `dedupe_key` and `route_key` for a recipient of a notification.

    `recipient` is the normalised address, or another text that is unique among the entries of the
    notification. Without a feedback id both keys are the route key, without a message id both are
    the dedupe key, and with neither id they are made of the whole message.

    Different events have different keys, with one exception: events of the same mail, recipient,
    type and sub-type that both lack a time cannot be distinguished from two routes of an event, and
    count once.
    """
    dedupe = route = None
    if names.feedback_id:
        dedupe = _key(names.feedback_id, notification.kind, recipient)
    if names.message_id:
        time = (
            iso_text(notification.occurred_at)
            if notification.occurred_at
            else _normalised(names.timestamp)
        )
        route = _key(
            names.message_id, notification.kind, recipient, names.type, names.subtype, time
        )
    either = dedupe or route or _key_of_text(notification.text, notification.kind, recipient)
    return dedupe or either, route or either


def forgiveness_key(recipient: str, delivered_at: datetime) -> str:
    """Return both keys of a delivery that forgave soft bounces."""
    distinguished = "\0".join((recipient, iso_text(delivered_at)))
    return f"{FORGIVENESS}:{_digest(distinguished.encode())}"


def kept_key(key: str) -> str:
    """Return what is kept of a key when its event is purged: no text of the sender, no address.

    The time stamp at the start stays, so that an index of kept keys grows at its end.
    """
    start, digest = key[:_TIME_CHARACTERS], key[-2 * _DIGEST_BYTES :]
    return f"{start}{digest}" if _TIME.fullmatch(start) else digest


def _normalised(timestamp: str) -> str:
    """Make the spellings of a time that cannot be parsed (such as a leap second) equal."""
    return _FRACTION.sub(_shortest, timestamp.strip().upper())


def _shortest(fraction: re.Match[str]) -> str:
    return fraction[0].rstrip("0").rstrip(".")


def _key(identifier: str, *parts: str) -> str:
    prefix = identifier[:_LONGEST_PREFIX] if identifier.isascii() else ""
    distinguished = "\0".join((identifier, *parts))
    return f"{prefix}:{_digest(distinguished.encode('utf-8', 'replace'))}"


def _key_of_text(text: str, *parts: str) -> str:
    """Make the key of a message without ids. The text is hashed once for all its recipients."""
    prefix = text[:_LONGEST_PREFIX] if text.isascii() else ""
    digest = _begun(text).copy()
    digest.update("".join(f"\0{part}" for part in parts).encode("utf-8", "replace"))
    return f"{prefix}:{digest.hexdigest()}"


@lru_cache(maxsize=1)
def _begun(text: str) -> blake2b:
    return blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
