"""What happened: every request with its answer, and the story of every message."""

import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class What(StrEnum):
    """What can happen to a message."""

    SENT = "sent"
    RECEIVED = "received"
    VISIBILITY_CHANGED = "visibility changed"
    DELETED = "deleted"
    STALE_DELETE = "stale delete"
    """The handle was not that of the latest receive: acknowledged, and nothing deleted."""
    FORGOTTEN_DELETE = "forgotten delete"
    """Acknowledged, and by a scripted fault not done."""
    DEAD_LETTERED = "dead-lettered"
    """The redrive policy has moved it, to the queue in `detail`."""
    MOVED = "moved"
    """A message move task has taken it; it lives on under the id in `detail`."""
    EXPIRED = "expired"
    PURGED = "purged"
    DROPPED = "dropped"
    """Its queue was deleted."""


_GONE = frozenset({What.DELETED, What.MOVED, What.EXPIRED, What.PURGED, What.DROPPED})


class Event(NamedTuple):
    """One thing that happened to one message."""

    at: float
    what: What
    queue: str
    message_id: str
    receipt_handle: str = ""
    receive_count: int = 0
    detail: str = ""


class Request(NamedTuple):
    """One request and what came of it. Bodies are the very strings of the messages, not copies."""

    number: int
    at: float
    until: float
    operation: str
    queue: str
    arguments: Mapping[str, Any]
    status: int
    """Of the HTTP answer; 0 when the connection was cut instead."""
    code: str
    """Of the error; empty when there was none."""
    answer: Mapping[str, Any] | None
    """What was answered or, when the connection was cut, what would have been; None: not done."""
    faults: tuple[str, ...]
    """Names of the scripted faults that struck."""
    client: str = ""
    """The access key with which it was signed: whose it is."""
    clock: float = 0.0
    """`time.monotonic()` of the answer, which no leap of the emulator's clock moves."""


class Fate(NamedTuple):
    """What has become of a message so far."""

    message_id: str
    received: int
    deleted: bool
    left_in: str | None
    """The queue it is still in; None: it is gone, see `ended`."""
    ended: What | None
    became: str | None
    """Its id after a message move task."""
    dead_lettered: bool
    stale_deletes: int
    forgotten_deletes: int


class Journal:
    """Written by the emulator, read by oracles; complete since the last `clear`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._stories: dict[str, list[Event]] = {}

    def note(self, request: Request) -> None:
        """Write down a request that has been answered."""
        with self._lock:
            self._requests.append(request)

    def record(self, event: Event) -> None:
        """Write down what happened to a message."""
        with self._lock:
            self._stories.setdefault(event.message_id, []).append(event)

    def requests(self, operation: str | None = None, queue: str | None = None) -> list[Request]:
        """Requests in the order of their answers; of one operation, for one queue by its name."""
        with self._lock:
            found = list(self._requests)
        return [
            request
            for request in found
            if operation in {None, request.operation} and queue in {None, request.queue}
        ]

    def story(self, message_id: str) -> list[Event]:
        """All that happened to a message, in order."""
        with self._lock:
            return list(self._stories.get(message_id, ()))

    def fate(self, message_id: str) -> Fate:
        """What has become of a message.

        Raises:
            LookupError: the emulator has never seen it.

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
        """What has become of each message, by its id."""
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
        """Hand out the requests so far, and how often what happened in which queue; forget both.

        A run over a million messages would fill the memory.
        """
        with self._lock:
            requests, stories = self._requests, self._stories
            self._requests, self._stories = [], {}
        events = (event for story in stories.values() for event in story)
        return requests, Counter((event.queue, event.what) for event in events)

    def clear(self) -> None:
        """Forget everything so far."""
        self.take()
