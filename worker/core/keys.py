"""The two keys that make the same feedback the same, whatever brought it.

SQS and SNS give a redelivered or republished message new names, so neither key knows theirs. AWS
does not document whether a bounce that is published twice (as a notification and as an event)
carries one feedback id in both, so there are two keys, and a hit on either is a duplicate:

- `dedupe_key`: kind, feedback id, recipient;
- `route_key`: kind, SES message id, recipient, type, sub-type, event time.

SES's ids begin with a time stamp. The keys begin with the ids, so that an index on them grows at
its end and not all over; the digest behind them bounds their length for untrusted input. It
is of all that was written and not of the part that is stored: ids that differ beyond it are two.
"""

import re
from functools import lru_cache
from hashlib import blake2b

from msgspec import Struct

from worker.core.model import Notification

_LONGEST_PREFIX = 100
_DIGEST_BYTES = 12
_FRACTION = re.compile(r"\.\d*")


class Names(Struct, frozen=True, kw_only=True):
    """What tells one notification from another: each text `whole`, absent ones empty."""

    feedback_id: str
    message_id: str
    type: str
    subtype: str
    timestamp: str
    """The event time as SES wrote it; it stands in where it cannot be read."""


def whole(written: object, kept: str) -> str:
    """Return what was kept of a text, with a digest of all that was written where that is more."""
    if written == kept or not isinstance(written, str):
        return kept
    return f"{kept}\0{_digest(written.encode('utf-8', 'surrogatepass'))}"


def feedback_keys(notification: Notification, names: Names, recipient: str) -> tuple[str, str]:
    """Return `dedupe_key` and `route_key` for a recipient of a notification.

    `recipient` is the normalised address, or whatever else distinguishes this entry from the next.
    Without a feedback id the route distinguishes events, without a message id the feedback id does,
    and with neither the whole message. Two different events never share a key, but for those of one
    mail, recipient, type and sub-type that both came without a time: they count once, as a second
    route would.
    """
    dedupe = route = None
    if names.feedback_id:
        dedupe = _key(names.feedback_id, notification.kind, recipient)
    if names.message_id:
        time = (
            notification.occurred_at.isoformat()
            if notification.occurred_at
            else _normalised(names.timestamp)
        )
        route = _key(
            names.message_id, notification.kind, recipient, names.type, names.subtype, time
        )
    either = dedupe or route or _key_of_text(notification.text, notification.kind, recipient)
    return dedupe or either, route or either


def _normalised(timestamp: str) -> str:
    """What cannot be read as a time, such as a leap second: the same however SES writes it."""
    return _FRACTION.sub(_shortest, timestamp.strip().upper())


def _shortest(fraction: re.Match[str]) -> str:
    return fraction[0].rstrip("0").rstrip(".")


def _key(identifier: str, *parts: str) -> str:
    prefix = identifier[:_LONGEST_PREFIX] if identifier.isascii() else ""
    distinguished = "\0".join((identifier, *parts))
    return f"{prefix}:{_digest(distinguished.encode('utf-8', 'replace'))}"


def _key_of_text(text: str, *parts: str) -> str:
    """The key of a whole message, which a thousand recipients may have: it is read once."""
    prefix = text[:_LONGEST_PREFIX] if text.isascii() else ""
    digest = _begun(text).copy()
    digest.update("".join(f"\0{part}" for part in parts).encode("utf-8", "replace"))
    return f"{prefix}:{digest.hexdigest()}"


@lru_cache(maxsize=1)
def _begun(text: str) -> blake2b:
    return blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES)


def _digest(data: bytes) -> str:
    return blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()
