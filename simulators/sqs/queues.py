"""A standard queue as a pure state machine: no thread, no network, the clock is passed in.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/standard-queues.html
"""

import math
import secrets
from collections.abc import Callable
from typing import NamedTuple

from simulators.sqs.attributes import QueueAttributes
from simulators.sqs.clock import Clock
from simulators.sqs.errors import SqsError, invalid_value
from simulators.sqs.handles import Receipt, issue, read
from simulators.sqs.journal import Event, What
from simulators.sqs.messages import Message
from simulators.sqs.quotas import LONGEST_VISIBILITY_SECONDS
from simulators.sqs.shelf import Shelf
from simulators.sqs.states import Counts, MessageState


class Received(NamedTuple):
    """A message and the receipt handle of this receive."""

    message: Message
    receipt_handle: str


class Queue:
    """A queue and its messages. Not thread-safe: the caller holds the lock."""

    def __init__(
        self,
        name: str,
        arn: str,
        *,
        clock: Clock,
        record: Callable[[Event], None],
        by_arn: Callable[[str], "Queue | None"],
        most_in_flight: int,
    ) -> None:
        self.name = name
        self.arn = arn
        self.attributes = QueueAttributes()
        self.created_at = self.modified_at = clock.now()
        self.purged_at = -math.inf
        self.deleted = False
        self._identity = secrets.token_hex(4)
        self._clock = clock
        self._report_event = record
        self._by_arn = by_arn
        self._most_in_flight = most_in_flight
        self._shelf = Shelf()

    def put(self, message: Message, delay_seconds: int = 0) -> None:
        """Enqueue a message that is sent, dead-lettered or moved here."""
        message.receives_here = 0
        now = self._clock.now()
        if delay_seconds:
            self._shelf.hide(message, now + delay_seconds, in_flight=False)
        else:
            self._shelf.show(message, now)

    def receive(self, most: int, visibility_seconds: int) -> list[Received]:
        """Receive visible messages; messages received too often go to the dead-letter queue.

        Raises:
            SqsError: as many are in flight as may be.

        """
        now = self._now()
        room = self._most_in_flight - self._shelf.counts().in_flight
        if room <= 0:
            raise SqsError("OverLimit", "Too many messages are in flight.")
        received: list[Received] = []
        while len(received) < min(most, room) and (message := self._shelf.next_visible()):
            if not self._dead_lettered(message):
                received.append(self._hand_out(message, now))
        for message, _ in received:  # only now, so that 0 seconds do not hand it out twice
            self._hide(message, now, visibility_seconds)
        return received

    def holder_of(self, receipt_handle: str) -> tuple[Message | None, bool]:
        """Return the message of a receipt handle, if it still exists, and whether it is stale.

        Raises:
            SqsError: SQS has never issued this handle, or not for this queue.
        """
        receipt = read(receipt_handle, self._identity)
        self._now()
        message = self._shelf.messages.get(receipt.message_id)
        return message, message is not None and receipt.receive_count != message.receive_count

    def delete(self, receipt_handle: str, *, pretend: bool = False) -> None:
        """Delete by the latest receipt handle; an older handle is acknowledged and deletes nothing.

        That is the worse of the two things AWS's documentation allows for. A handle whose
        visibility timeout has passed deletes, as long as nobody has received the message since.
        """
        message, stale = self.holder_of(receipt_handle)
        if message is None:
            return
        if stale:
            self._record(What.STALE_DELETE, message, receipt_handle)
        elif pretend:
            self._record(What.FORGOTTEN_DELETE, message, receipt_handle)
        else:
            self._shelf.remove(message)
            self._record(What.DELETED, message, receipt_handle)

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        """Hide a message from now on for so long; 0 makes it visible.

        Any handle of the message is valid, even a stale handle: others have recorded that of AWS,
        and it is why a consumer that releases what it no longer holds does harm.

        Raises:
            SqsError: the message is gone, or 12 hours since its receive would be exceeded.

        """
        message, _ = self.holder_of(receipt_handle)
        if message is None:
            reason = "Message does not exist or is not available for visibility timeout change."
            raise invalid_value(receipt_handle, "ReceiptHandle", reason)
        now = self._clock.now()
        if now - message.received_at + seconds > LONGEST_VISIBILITY_SECONDS:
            reason = (
                "Total VisibilityTimeout for the message is beyond the limit"
                f" [{LONGEST_VISIBILITY_SECONDS} seconds]"
            )
            raise invalid_value(seconds, "VisibilityTimeout", reason)
        self._hide(message, now, seconds)
        self._record(What.VISIBILITY_CHANGED, message, receipt_handle, str(seconds))

    def take(self) -> Message | None:
        """Remove and return the next visible message, for a message move task."""
        self._now()
        if message := self._shelf.next_visible():
            self._shelf.remove(message)
        return message

    def empty(self, why: What) -> None:
        """Remove all messages: a purge, or the deletion of the queue."""
        for message in list(self._shelf.messages.values()):
            self._shelf.remove(message)
            self._record(why, message)

    def next_change(self) -> float:
        """Return when a message will next become visible by itself; infinity if there is none."""
        return self._shelf.next_change()

    def counts(self) -> Counts:
        """Count the messages."""
        self._now()
        return self._shelf.counts()

    def message_states(self) -> list[MessageState]:
        """Return the states of all messages, in the order in which they were sent."""
        self._now()
        return self._shelf.message_states()

    def _hand_out(self, message: Message, now: float) -> Received:
        message.receive_count += 1
        message.receives_here += 1
        message.received_at = now
        message.first_received_at = message.first_received_at or now
        handle = issue(Receipt(self._identity, message.id, message.receive_count))
        self._record(What.RECEIVED, message, handle)
        return Received(message, handle)

    def _hide(self, message: Message, now: float, seconds: int) -> None:
        if seconds:
            self._shelf.hide(message, now + seconds, in_flight=True)
        else:
            self._shelf.show(message, now)

    def _dead_lettered(self, message: Message) -> bool:
        """Move a message whose receive count would exceed maxReceiveCount.

        It keeps its id, body, attributes, receive count and the time it was sent. If the
        dead-letter queue has been deleted, it stays and is received.
        """
        redrive = self.attributes.redrive
        if redrive is None or message.receives_here < redrive.most_receives:
            return False
        if (target := self._by_arn(redrive.target_arn)) is None:
            return False
        self._shelf.remove(message)
        message.source_arn = self.arn
        target.put(message)
        self._record(What.DEAD_LETTERED, message, detail=target.name)
        return True

    def _now(self) -> float:
        """Update the queue: messages that have become visible, messages that have expired."""
        now = self._clock.now()
        self._shelf.surface(now)
        for message in self._shelf.sent_before(now - self.attributes["MessageRetentionPeriod"]):
            self._shelf.remove(message)
            self._record(What.EXPIRED, message)
        return now

    def _record(self, what: What, message: Message, handle: str = "", detail: str = "") -> None:
        at, count = self._clock.now(), message.receive_count
        self._report_event(Event(at, what, self.name, message.id, handle, count, detail))
