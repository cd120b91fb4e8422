"""The operations on messages: send, receive, delete, change visibility; singly and in batches.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from threading import Condition

from simulators.sqs.account import Account
from simulators.sqs.calls import Call
from simulators.sqs.clock import Clock
from simulators.sqs.errors import SqsError, invalid, no_such_queue
from simulators.sqs.hooks import Deletion, Hooks, Sending
from simulators.sqs.journal import Event, What
from simulators.sqs.messages import attributes_digest, check_attributes, check_text, size_of
from simulators.sqs.parameters import Answer, Arguments, whole
from simulators.sqs.queues import Queue, Received
from simulators.sqs.quotas import (
    LARGEST_BATCH,
    LARGEST_MESSAGE_BYTES,
    LONGEST_DELAY_SECONDS,
    LONGEST_VISIBILITY_SECONDS,
    LONGEST_WAIT_SECONDS,
)
from simulators.sqs.showing import RequestedAttributes, shown


class Messaging:
    """Each method is an operation, and holds the lock as briefly as possible."""

    def __init__(
        self,
        account: Account,
        *,
        clock: Clock,
        changed: Condition,
        hooks: Hooks,
        record: Callable[[Event], None],
    ) -> None:
        self._account = account
        self._clock = clock
        self._changed = changed
        self._hooks = hooks
        self._record = record
        self.long_polls = 0
        """The number of long polls that wait now."""
        self.longest_polls = [inf]
        """Seconds; after the shortest a long poll ends, whatever was requested."""

    def send(self, call: Call) -> Answer:
        """SendMessage."""
        return self._send(self._queue(call), call.arguments)

    def send_batch(self, call: Call) -> Answer:
        """SendMessageBatch: an invalid entry fails alone; too large a sum fails the call."""
        queue = self._queue(call)
        entries = call.arguments["Entries"]
        total = sum(
            size_of(entry["MessageBody"], entry.get("MessageAttributes", {})) for entry in entries
        )
        if total > LARGEST_MESSAGE_BYTES:
            raise SqsError(
                "BatchRequestTooLong",
                f"Batch requests cannot be longer than {LARGEST_MESSAGE_BYTES} bytes."
                f" You have sent {total} bytes.",
            )
        return _each(call, lambda entry: self._send(queue, entry))

    def receive(self, call: Call) -> Answer:
        """ReceiveMessage: a long poll ends with the first message, or empty after its time."""
        queue, arguments = self._queue(call), call.arguments
        most = whole(arguments, "MaxNumberOfMessages", 1, LARGEST_BATCH, default=1)
        seconds = whole(
            arguments, "WaitTimeSeconds", 0, LONGEST_WAIT_SECONDS,
            default=queue.attributes["ReceiveMessageWaitTimeSeconds"],
        )  # fmt: skip
        visibility = whole(
            arguments, "VisibilityTimeout", 0, LONGEST_VISIBILITY_SECONDS,
            default=queue.attributes["VisibilityTimeout"],
        )  # fmt: skip
        requested = RequestedAttributes.by(arguments)
        deadline = self._clock.now() + min(seconds, *self.longest_polls)
        with self._changed:
            if not (handed := self._receive(queue, most, visibility, patient=seconds > 0)):
                with self._counted():
                    handed = self._poll(call, queue, most, visibility, deadline)
            return (
                {"Messages": [shown(*message, requested) for message in handed]} if handed else {}
            )

    def delete(self, call: Call) -> Answer:
        """DeleteMessage."""
        return self._delete(self._queue(call), call.arguments, pretend=call.pretend)

    def delete_batch(self, call: Call) -> Answer:
        """DeleteMessageBatch."""
        queue = self._queue(call)
        return _each(call, lambda entry: self._delete(queue, entry, pretend=call.pretend))

    def change_visibility(self, call: Call) -> Answer:
        """ChangeMessageVisibility."""
        return self._change_visibility(self._queue(call), call.arguments)

    def change_visibility_batch(self, call: Call) -> Answer:
        """ChangeMessageVisibilityBatch."""
        queue = self._queue(call)
        return _each(call, lambda entry: self._change_visibility(queue, entry))

    def _queue(self, call: Call) -> Queue:
        with self._changed:
            return self._account.by_url(call.arguments["QueueUrl"])

    def _send(self, queue: Queue, entry: Arguments) -> Answer:
        body, attributes = entry["MessageBody"], entry.get("MessageAttributes", {})
        check_text(body)
        check_attributes(attributes)
        limit = queue.attributes["MaximumMessageSize"]
        if size_of(body, attributes) > limit:
            raise invalid(
                "One or more parameters are invalid. Reason: Message must be shorter than"
                f" {limit} bytes."
            )
        delay = whole(
            entry, "DelaySeconds", 0, LONGEST_DELAY_SECONDS,
            default=queue.attributes["DelaySeconds"],
        )  # fmt: skip
        message = self._account.draft(body, attributes)
        sending = Sending(message.id, body, queue.name, attributes)
        self._hooks.sending(sending)
        with self._changed:
            _check_there(queue)
            queue.put(message, delay)
            self._record(Event(message.sent_at, What.SENT, queue.name, message.id))
        self._hooks.sent(sending)
        digest = {"MD5OfMessageAttributes": attributes_digest(attributes)} if attributes else {}
        return {"MessageId": message.id, "MD5OfMessageBody": message.body_md5, **digest}

    def _receive(
        self, queue: Queue, most: int, visibility: int, *, patient: bool
    ) -> list[Received]:
        """Receive visible messages; with too many in flight, a long poll receives none."""
        _check_there(queue)
        self._account.moves.go_on(self._clock.now())
        try:
            return queue.receive(most, visibility)
        except SqsError as over_limit:
            if over_limit.code != "OverLimit" or not patient:
                raise
            return []

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.long_polls += 1
        self._changed.notify_all()
        try:
            yield
        finally:
            self.long_polls -= 1

    def _poll(
        self, call: Call, queue: Queue, most: int, visibility: int, deadline: float
    ) -> list[Received]:
        while self._wait(queue, deadline):
            if call.closing.is_set() or call.caller_is_gone():
                break
            if handed := self._receive(queue, most, visibility, patient=True):
                return handed
        return []

    def _wait(self, queue: Queue, deadline: float) -> bool:
        """Wait until something may have changed; False: the long poll is over."""
        now = self._clock.now()
        if now >= deadline:
            return False
        until = min(deadline, queue.next_change(), self._account.moves.next_at())
        self._changed.wait(max(until - now, 0))
        return True

    def _delete(self, queue: Queue, entry: Arguments, *, pretend: bool) -> Answer:
        handle = entry["ReceiptHandle"]
        with self._changed:
            message, stale = queue.holder_of(handle)
        if message:
            deletion = Deletion(message.id, message.body, handle, queue.name, stale)
            self._hooks.deleting(deletion)
        with self._changed:
            queue.delete(handle, pretend=pretend)
        return {}

    def _change_visibility(self, queue: Queue, entry: Arguments) -> Answer:
        seconds = whole(entry, "VisibilityTimeout", 0, LONGEST_VISIBILITY_SECONDS)
        with self._changed:
            queue.change_visibility(entry["ReceiptHandle"], seconds)
        return {}


def _check_there(queue: Queue) -> None:
    if queue.deleted:  # since the request came, or the long poll began
        raise no_such_queue()


def _each(call: Call, handle_entry: Callable[[Arguments], Answer]) -> Answer:
    """Perform each entry; an empty list is absent from the answer."""
    answer: Answer = {"Successful": [], "Failed": []}
    for entry in call.arguments["Entries"]:
        try:
            answer["Successful"].append({"Id": entry["Id"]} | handle_entry(entry))
        except SqsError as error:
            answer["Failed"].append(failed(entry["Id"], error))
    return {name: entries for name, entries in answer.items() if entries}


def failed(entry_id: str, error: SqsError) -> Answer:
    """Return a failed entry of a batch that succeeded."""
    sender_fault = error.culprit == "Sender"
    return {
        "Id": entry_id,
        "SenderFault": sender_fault,
        "Code": error.code,
        "Message": error.text,
    }
