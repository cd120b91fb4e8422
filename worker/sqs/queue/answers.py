"""Translates SQS's answers into the model. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from msgspec import Struct

from worker.core.errors import Refused, Unavailable
from worker.core.model import Received

LARGEST_BATCH = 10
"""Messages in one receive, entries in one batch call."""

_FURTHEST_BEHIND = timedelta(days=36_525)
"""A machine without a battery may begin in 1970; SQS's time is no further ahead than this."""

Item = TypeVar("Item")


class Counts(Struct, frozen=True):
    """How many messages SQS thinks there are; it is right about a minute after things calm down."""

    visible: int = 0
    in_flight: int = 0
    delayed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.visible + self.in_flight + self.delayed


class FailedEntry(Struct, Generic[Item], frozen=True):
    """An entry of a batch call that failed although the call succeeded."""

    item: Item
    """The message, or whatever the entry was made of."""
    code: str
    again: bool
    """The fault is SQS's: the same entry may succeed later."""


class EntriesRefused(Refused):
    """SQS took the call, and failed each entry of it through a fault that it calls ours."""


def refusal_of(call: str, count: int, last: FailedEntry[Any]) -> EntriesRefused | Unavailable:
    """Report that so many entries of a call have failed, and none of them succeeded."""
    value = f"SQS failed each of {count} entries of {call}: {last.code}"
    return Unavailable(value) if last.again else EntriesRefused(value)


def as_received(message: Mapping[str, Any], now: datetime, lease_until: float) -> Received:
    """Read a message as ReceiveMessage answers it.

    It was received `now`, by our clock, or when it was sent, by SQS's, whichever is later: with a
    clock that is behind, a pause that begins now would be over already.
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
    )


def _number(value: object) -> int | None:
    """Parse a number; a malformed one must not fail the whole receive."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        return int(value)
    return None


def _moment(milliseconds: int | None) -> datetime | None:
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
    return None


def tens(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Share them out, in order, to as many as a batch call takes."""
    for start in range(0, len(items), LARGEST_BATCH):
        yield items[start : start + LARGEST_BATCH]


def failed_entries(items: Sequence[Item], answer: Mapping[str, Any]) -> list[FailedEntry[Item]]:
    """Read every entry of the answer: a 200 may carry failures, or not mention an entry."""
    done = {entry["Id"] for entry in answer.get("Successful") or ()}
    failed = {entry["Id"]: entry for entry in answer.get("Failed") or ()}
    found = []
    for number, item in enumerate(items):
        if (name := str(number)) not in done:
            entry = failed.get(name, {})
            again = not entry.get("SenderFault", False)
            found.append(FailedEntry(item, entry.get("Code", "NoAnswer"), again))
    return found
