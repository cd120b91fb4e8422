"""The messages of a queue by state: visible, in flight or delayed."""

import heapq
import math

from simulators.sqs.messages import Message
from simulators.sqs.states import Counts, MessageState, State


class Shelf:
    """Returns visible messages in the order in which they were sent.

    Two heaps hold visible messages and messages that will become visible. An outdated
    entry stays in its heap: its message has a higher version since, and the entry is skipped when
    it is popped.
    """

    def __init__(self) -> None:
        self.messages: dict[str, Message] = {}
        self._in_flight: set[str] = set()
        self._delayed: set[str] = set()
        self._visible: list[tuple[float, int, int, str]] = []
        self._hidden: list[tuple[float, int, int, str]] = []
        self._oldest = math.inf
        """No message was sent before this time: nothing can have expired earlier."""

    def show(self, message: Message, now: float) -> None:
        """Make a new or a hidden message visible."""
        self._stand(message, now)
        note = (message.sent_at, message.serial, message.version, message.id)
        heapq.heappush(self._visible, note)

    def hide(self, message: Message, until: float, *, in_flight: bool) -> None:
        """Hide a message because it has been received, or because it was sent with a delay."""
        self._stand(message, until)
        (self._in_flight if in_flight else self._delayed).add(message.id)
        heapq.heappush(self._hidden, (until, message.serial, message.version, message.id))

    def remove(self, message: Message) -> None:
        """Remove a message, in any state."""
        message.version += 1
        del self.messages[message.id]
        self._in_flight.discard(message.id)
        self._delayed.discard(message.id)

    def surface(self, now: float) -> None:
        """Make messages visible whose time is over."""
        while self._hidden and self._hidden[0][0] <= now:
            until, _, version, message_id = heapq.heappop(self._hidden)
            if message := self._if_current(message_id, version):
                self.show(message, until)

    def sent_before(self, moment: float) -> list[Message]:
        """Return the messages that were sent before a time."""
        if self._oldest >= moment:
            return []
        everything = self.messages.values()
        self._oldest = min((message.sent_at for message in everything), default=math.inf)
        return [message for message in everything if message.sent_at < moment]

    def next_visible(self) -> Message | None:
        """Pop the next visible message; the caller shows, hides or removes it."""
        while self._visible:
            _, _, version, message_id = heapq.heappop(self._visible)
            if message := self._if_current(message_id, version):
                return message
        return None

    def next_change(self) -> float:
        """Return when the next hidden message becomes visible; infinity if there is none."""
        while self._hidden:
            until, _, version, message_id = self._hidden[0]
            if self._if_current(message_id, version):
                return until
            heapq.heappop(self._hidden)
        return math.inf

    def counts(self) -> Counts:
        """Count the messages."""
        in_flight, delayed = len(self._in_flight), len(self._delayed)
        return Counts(len(self.messages) - in_flight - delayed, in_flight, delayed)

    def message_states(self) -> list[MessageState]:
        """Return the states of all messages, in the order in which they were sent."""
        everything = sorted(self.messages.values(), key=lambda first: (first.sent_at, first.serial))
        return [self._state_of(message) for message in everything]

    def _state_of(self, message: Message) -> MessageState:
        state = State.VISIBLE
        if message.id in self._in_flight:
            state = State.IN_FLIGHT
        elif message.id in self._delayed:
            state = State.DELAYED
        return MessageState(
            message_id=message.id,
            body=message.body,
            attributes=message.attributes,
            state=state,
            sent_at=message.sent_at,
            visible_at=message.visible_at,
            receive_count=message.receive_count,
            source_arn=message.source_arn,
        )

    def _stand(self, message: Message, visible_at: float) -> None:
        self.messages[message.id] = message
        self._in_flight.discard(message.id)
        self._delayed.discard(message.id)
        self._oldest = min(self._oldest, message.sent_at)
        message.visible_at = visible_at
        message.version += 1

    def _if_current(self, message_id: str, version: int) -> Message | None:
        message = self.messages.get(message_id)
        return message if message and message.version == version else None
