"""What was published: every distinct event once, however often and by whichever route."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from support.hostile import Hostile, Kind, mark_in

from oracles.database import Row
from oracles.parsing import SesFeedback, Sort, read


@dataclass(slots=True, eq=False)
class Event:
    """A notification of SES's, published once or more."""

    feedback: SesFeedback
    published: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    """How many rows were found, by recipient."""

    @property
    def expected(self) -> dict[str, int]:
        """How many rows there must be, by recipient."""
        keys = [recipient.key for recipient in self.feedback.recipients]
        return {key: keys.count(key) for key in keys}

    @property
    def applied(self) -> bool:
        """Every row is there that must be."""
        return all(self.rows.get(key, 0) >= count for key, count in self.expected.items())


class PublishedEvents:
    """Filled by the publisher, read by the oracles."""

    def __init__(self) -> None:
        self.sent = 0
        self.ignored = 0
        self.events: list[Event] = []
        self.unreadable: dict[str, str] = {}
        """Unreadable bodies, and the reason with which each must be dead-lettered."""
        self.hostile: dict[bytes, tuple[str, Kind]] = {}
        """Mark and kind of each hostile body, by its digest: the bodies would fill the memory."""
        self.hostile_rows: Counter[str] = Counter()
        """Rows of `events`, by mark."""
        self._by_name: dict[tuple[Any, ...], Event] = {}

    def publish(self, body: str) -> None:
        """Record that a body was sent to the queue."""
        self.sent += 1
        feedback = read(body)
        match feedback.sort:
            case Sort.IGNORED:
                self.ignored += 1
            case Sort.UNREADABLE:
                self.unreadable[body] = feedback.reason
            case Sort.FEEDBACK:
                self._event(feedback).published += 1

    def publish_hostile(self, hostile: Hostile) -> None:
        """Record that a hostile body was sent: its kind decides what may happen to it, not `read`."""
        self.sent += 1
        self.hostile[digest(hostile.body)] = hostile.mark, hostile.kind

    def is_hostile(self, body: str) -> bool:
        """Return whether it is a hostile body."""
        return bool(self.hostile) and digest(body) in self.hostile

    def of(self, expected: SesFeedback) -> Event | None:
        """Find the event of a notification, by either of its names."""
        by_id, by_route = expected.names
        return self._by_name.get(by_id) or self._by_name.get(by_route)

    def take_stock(self, rows: Iterator[Row]) -> list[Row]:
        """Count the rows of each event anew; return the others."""
        for event in self.events:
            event.rows = {}
        self.hostile_rows.clear()
        unknown_rows = []
        for row in rows:
            if mark := mark_in(row.ses_message_id, row.feedback_id):
                self.hostile_rows[mark] += 1
                continue
            found = self._of_row(row)
            if found is not None and row.recipient in found.expected:
                found.rows[row.recipient] = found.rows.get(row.recipient, 0) + 1
            else:
                unknown_rows.append(row)
        return unknown_rows

    def _event(self, expected: SesFeedback) -> Event:
        known = self.of(expected)
        event = known if known is not None else Event(expected)
        if known is None:
            self.events.append(event)
        for name in expected.names:
            self._by_name[name] = event
        return event

    def _of_row(self, row: Row) -> Event | None:
        return self.of(
            SesFeedback(
                Sort.FEEDBACK,
                kind=row.kind,
                type=row.type,
                subtype=row.subtype,
                feedback_id=row.feedback_id,
                ses_message_id=row.ses_message_id,
                at=row.at,
            )
        )


def digest(body: str) -> bytes:
    """Make a short name of a body."""
    return blake2b(body.encode("utf-8", "surrogatepass"), digest_size=16).digest()
