"""The journal: every request with its answer, and the events of every message."""

import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class What(StrEnum):
    """Kinds of events of a message."""

    SENT = "sent"
    RECEIVED = "received"
    VISIBILITY_CHANGED = "visibility changed"
    DELETED = "deleted"
    STALE_DELETE = "stale delete"
    """The handle was not of the latest receive: acknowledged, nothing deleted."""
    FORGOTTEN_DELETE = "forgotten delete"
    """Acknowledged, and not deleted because of a scripted fault."""
    DEAD_LETTERED = "dead-lettered"
    """Moved by the redrive policy, to the queue in `detail`."""
    MOVED = "moved"
    """Moved by a message move task; its new id is in `detail`."""
    EXPIRED = "expired"
    PURGED = "purged"
    DROPPED = "dropped"
    """Its queue was deleted."""


_GONE = frozenset({What.DELETED, What.MOVED, What.EXPIRED, What.PURGED, What.DROPPED})


class Event(NamedTuple):
    """An event of a message."""

    at: float
    what: What
    queue: str
    message_id: str
    receipt_handle: str = ""
    receive_count: int = 0
    detail: str = ""


class Request(NamedTuple):
    """A request and its answer. Bodies are the strings of the messages themselves, not copies."""

    number: int
    at: float
    until: float
    operation: str
    queue: str
    arguments: Mapping[str, Any]
    status: int
    """The HTTP status; 0 if the connection was reset instead."""
    code: str
    """The error code; empty without an error."""
    answer: Mapping[str, Any] | None
    """The answer, or the answer that a reset suppressed; None: not performed."""
    faults: tuple[str, ...]
    """Names of the scripted faults that applied."""
    client: str = ""
    """The access key of the signature."""
    clock: float = 0.0
    """`time.monotonic()` of the answer; leaps of the simulator's clock do not change it."""


class Fate(NamedTuple):
    """The state of a message, from its events."""

    message_id: str
    received: int
    deleted: bool
    left_in: str | None
    """The queue that the message is in; None: it is gone, see `ended`."""
    ended: What | None
    became: str | None
    """The message's id after a message move task."""
    dead_lettered: bool
    stale_deletes: int
    forgotten_deletes: int


class Journal:
    """Written by the simulator, read by tests; complete since the last `clear`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._stories: dict[str, list[Event]] = {}

    def note(self, request: Request) -> None:
        """Add an answered request."""
        with self._lock:
            self._requests.append(request)

    def record(self, event: Event) -> None:
        """Add an event of a message."""
        with self._lock:
            self._stories.setdefault(event.message_id, []).append(event)

    def requests(self, operation: str | None = None, queue: str | None = None) -> list[Request]:
        """Return requests in the order of their answers, of an operation or a queue if given."""
        with self._lock:
            found = list(self._requests)
        return [
            request
            for request in found
            if operation in {None, request.operation} and queue in {None, request.queue}
        ]

    def story(self, message_id: str) -> list[Event]:
        """Return all events of a message, in order."""
        with self._lock:
            return list(self._stories.get(message_id, ()))

    def fate(self, message_id: str) -> Fate:
        """Return the state of a message.

        Raises:
            LookupError: no event of it is in the journal.

        """
        story = self.story(message_id)
        if not story:
            raise LookupError(message_id)
        happened = [event.what for event in story]
        end = next((event for event in story if event.what in _GONE), None)
        dead_lettered = [event.detail for event in story if event.what is What.DEAD_LETTERED]
        return Fate(
            message_id=message_id,
            received=happened.count(What.RECEIVED),
            deleted=What.DELETED in happened,
            left_in=None if end else [story[0].queue, *dead_lettered][-1],
            ended=end.what if end else None,
            became=end.detail if end and end.what is What.MOVED else None,
            dead_lettered=bool(dead_lettered),
            stale_deletes=happened.count(What.STALE_DELETE),
            forgotten_deletes=happened.count(What.FORGOTTEN_DELETE),
        )

    def fates(self) -> dict[str, Fate]:
        """Return the state of each message, by its id."""
        with self._lock:
            ids = list(self._stories)
        return {message_id: self.fate(message_id) for message_id in ids}

    def most_in_flight(self) -> int:
        """Return how many messages were received and not deleted yet, at the most."""
        steps = sorted(
            (event.at, 1 if event.what is What.RECEIVED else -1)
            for name in self.fates()
            for event in self.story(name)
            if event.what in {What.RECEIVED, What.DELETED}
        )
        held, most = 0, 0
        for _, step in steps:
            held += step
            most = max(most, held)
        return most

    def take(self) -> tuple[list[Request], Counter[tuple[str, What]]]:
        """Return and remove the requests so far, and the number of events by queue and kind.

        A run over a million messages would fill the memory.
        """
        with self._lock:
            requests, stories = self._requests, self._stories
            self._requests, self._stories = [], {}
        events = (event for story in stories.values() for event in story)
        return requests, Counter((event.queue, event.what) for event in events)

    def clear(self) -> None:
        """Remove everything so far."""
        self.take()
