"""Translates SQS's answers into the model. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from msgspec import Struct

from worker.aws.codes import THROTTLING
from worker.core.errors import Refused, Unavailable
from worker.core.messages import Received

LARGEST_BATCH = 10
"""Messages in one receive, entries in one batch call."""

_FURTHEST_BEHIND = timedelta(days=36_525)
"""How far SQS's time may be ahead: a clock without a battery may begin in 1970."""

Item = TypeVar("Item")


class Counts(Struct, frozen=True):
    """SQS's counts of messages; approximate until about a minute after the last change."""

    visible: int = 0
    in_flight: int = 0
    delayed: int = 0

    @property
    def total(self) -> int:
        """All messages."""
        return self.visible + self.in_flight + self.delayed


class FailedEntry(Struct, Generic[Item], frozen=True):
    """An entry of a batch call that failed although the call succeeded."""

    item: Item
    """The message, or what else the entry was made of."""
    code: str
    again: bool
    """The fault is SQS's, or the rate is limited: the same entry may succeed later."""


class EntriesRefused(Refused):
    """SQS took the call, and failed each entry of it because of the sender."""


def refusal_of(call: str, count: int, last: FailedEntry[Any]) -> EntriesRefused | Unavailable:
    """Return the error for a call of which all entries failed."""
    text = f"SQS failed each of {count} entries of {call}: {last.code}"
    return Unavailable(text) if last.again else EntriesRefused(text)


def as_received(message: Mapping[str, Any], now: datetime, lease_until: float) -> Received:
    """Translate a message of a ReceiveMessage answer.

    `received_at` is `now`, by our clock, or the time when it was sent, by SQS's clock, whichever is
    later. Otherwise, with a clock that is behind, a pause that begins now would be over already.
    """
    system = message.get("Attributes") or {}
    sent_at = _moment(_number(system.get("SentTimestamp")))
    is_later = sent_at is not None and sent_at > now and sent_at - now < _FURTHEST_BEHIND
    return Received(
        message_id=message["MessageId"],
        body=message["Body"],
        receipt_handle=message["ReceiptHandle"],
        receive_count=_number(system.get("ApproximateReceiveCount")) or 1,
        received_at=sent_at if sent_at and is_later else now,
        lease_until=lease_until,
        sent_at=sent_at,
        attributes=message.get("MessageAttributes") or {},
        sender=str(system.get("SenderId") or ""),
    )


def _number(value: object) -> int | None:
    """Parse a number; None for a malformed number, which must not fail the whole receive."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return None


def _moment(milliseconds: int | None) -> datetime | None:
    try:  # not `suppress`, which takes as long as all of `as_received`
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
    except (ValueError, OverflowError, OSError):
        return None


def tens(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Split items into batches of the size that a call takes, in order."""
    for start in range(0, len(items), LARGEST_BATCH):
        yield items[start : start + LARGEST_BATCH]


def failed_entries(items: Sequence[Item], answer: Mapping[str, Any]) -> list[FailedEntry[Item]]:
    """Return the failed entries of an answer: a 200 may list failures, or not mention an entry."""
    done = {entry["Id"] for entry in answer.get("Successful") or ()}
    failed = {entry["Id"]: entry for entry in answer.get("Failed") or ()}
    failures = []
    for number, item in enumerate(items):
        if (name := str(number)) not in done:
            entry = failed.get(name, {})
            code = entry.get("Code", "NoAnswer")
            again = code in THROTTLING or not entry.get("SenderFault", False)
            failures.append(FailedEntry(item, code, again))
    return failures
