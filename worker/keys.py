"""The two keys that make the same feedback the same, whatever brought it.

SQS and SNS give a redelivered or republished message new names, so neither key knows theirs. AWS
does not say whether a bounce that is published twice (as a notification and as an event) carries
one feedback id in both, so there are two keys, and a hit on either is a duplicate:

- `dedupe_key`: kind, feedback id, recipient;
- `route_key`: kind, SES message id, recipient, type, sub-type, event time.

SES's ids begin with a time stamp. The keys begin with the ids, so that an index on them grows at
its end and not all over; the digest behind them bounds their length whatever a stranger wrote.
"""

import re
from functools import lru_cache
from hashlib import blake2b

from worker.model import Notification

_LONGEST_PREFIX = 100
_DIGEST_BYTES = 12
_FRACTION = re.compile(r"\.\d*")


def feedback_keys(said: Notification, timestamp: str, recipient: str) -> tuple[str, str]:
    """Return `dedupe_key` and `route_key` for one recipient of a notification.

    `timestamp` is the event time as SES wrote it, empty if it is no text, and stands in where it
    cannot be read; `recipient` is the normalised address, or whatever else tells this entry from
    the next. Without a feedback id the route tells events apart, without a message id the feedback
    id does, and with neither the whole message. Two different events never share a key, but for
    those of one mail, recipient, type and sub-type that both came without a time: they count once,
    as a second route would.
    """
    dedupe = route = None
    if said.feedback_id:
        dedupe = _key(said.feedback_id, said.kind, recipient)
    if said.ses_message_id:
        time = said.occurred_at.isoformat() if said.occurred_at else _normalised(timestamp)
        route = _key(
            said.ses_message_id, said.kind, recipient, said.type or "", said.subtype or "", time
        )
    either = dedupe or route or _key_of_text(said.text, said.kind, recipient)
    return dedupe or either, route or either


def _normalised(timestamp: str) -> str:
    """What cannot be read as a time, such as a leap second: the same however SES writes it."""
    return _FRACTION.sub(_shortest, timestamp.strip().upper())


def _shortest(fraction: re.Match[str]) -> str:
    return fraction[0].rstrip("0").rstrip(".")


def _key(identifier: str, *parts: str) -> str:
    prefix = identifier[:_LONGEST_PREFIX] if identifier.isascii() else ""
    told_apart = "\0".join((identifier, *parts))
    digest = blake2b(told_apart.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES)
    return f"{prefix}:{digest.hexdigest()}"


def _key_of_text(text: str, *parts: str) -> str:
    """The key of a whole message, which a thousand recipients may have: it is read once."""
    prefix = text[:_LONGEST_PREFIX] if text.isascii() else ""
    digest = _begun(text).copy()
    digest.update("".join(f"\0{part}" for part in parts).encode("utf-8", "replace"))
    return f"{prefix}:{digest.hexdigest()}"


@lru_cache(maxsize=1)
def _begun(text: str) -> blake2b:
    return blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES)
