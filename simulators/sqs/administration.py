"""The operations on queues: create, find, configure, purge, move, delete.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
"""

import base64
import binascii
import json
from collections.abc import Sequence

from simulators.sqs.account import Account
from simulators.sqs.attributes import COUNTED, READABLE
from simulators.sqs.calls import Call
from simulators.sqs.clock import Clock
from simulators.sqs.errors import SqsError, invalid
from simulators.sqs.journal import What
from simulators.sqs.moves import Move, Status
from simulators.sqs.parameters import Answer, Arguments, whole
from simulators.sqs.queues import Queue
from simulators.sqs.quotas import (
    FASTEST_MOVE_PER_SECOND,
    LARGEST_LIST,
    MOST_MOVES_LISTED,
    PURGE_PAUSE_SECONDS,
)


class Administration:
    """Each method is an operation; the caller holds the lock."""

    def __init__(self, account: Account, *, clock: Clock) -> None:
        self._account = account
        self._clock = clock

    def create_queue(self, call: Call) -> Answer:
        """CreateQueue."""
        arguments = call.arguments
        queue = self._account.create(arguments["QueueName"], arguments.get("Attributes", {}))
        return {"QueueUrl": self._account.url(queue)}

    def get_queue_url(self, call: Call) -> Answer:
        """GetQueueUrl."""
        return {"QueueUrl": self._account.url(self._account.by_name(call.arguments["QueueName"]))}

    def list_queues(self, call: Call) -> Answer:
        """ListQueues: without queues, `QueueUrls` is absent."""
        queues = self._account.queues(call.arguments.get("QueueNamePrefix", ""))
        urls, following = self._chunk(queues, call.arguments)
        return ({"QueueUrls": urls} if urls else {}) | following

    def list_dead_letter_source_queues(self, call: Call) -> Answer:
        """ListDeadLetterSourceQueues: `queueUrls` has a small q, and is there even if empty."""
        queues = self._account.origins_of(self._queue(call))
        urls, following = self._chunk(queues, call.arguments)
        return {"queueUrls": urls} | following

    def get_queue_attributes(self, call: Call) -> Answer:
        """GetQueueAttributes: returns only the requested attributes."""
        queue = self._queue(call)
        names = set(call.arguments.get("AttributeNames", ()))
        if unknown := names - READABLE - {"All"}:
            raise SqsError("InvalidAttributeName", f"Unknown Attribute {min(unknown)}.")
        everything = {
            **queue.attributes.texts,
            **dict(zip(COUNTED, map(str, queue.counts()), strict=True)),
            "CreatedTimestamp": str(int(queue.created_at)),
            "LastModifiedTimestamp": str(int(queue.modified_at)),
            "QueueArn": queue.arn,
        }
        found = {n: text for n, text in everything.items() if n in names or "All" in names}
        return {"Attributes": found} if found else {}

    def set_queue_attributes(self, call: Call) -> Answer:
        """SetQueueAttributes: at once, where AWS takes up to a minute."""
        queue = self._queue(call)
        queue.attributes.change(call.arguments["Attributes"], self._account.is_queue)
        queue.modified_at = self._clock.now()
        return {}

    def purge_queue(self, call: Call) -> Answer:
        """PurgeQueue: at once, where AWS takes up to a minute."""
        queue, now = self._queue(call), self._clock.now()
        if now - queue.purged_at < PURGE_PAUSE_SECONDS:
            raise SqsError(
                "PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {queue.name} is allowed every"
                f" {PURGE_PAUSE_SECONDS} seconds.",
            )
        queue.purged_at = now
        queue.empty(What.PURGED)
        return {}

    def delete_queue(self, call: Call) -> Answer:
        """DeleteQueue: at once, where AWS takes up to a minute."""
        self._account.delete(self._queue(call))
        return {}

    def start_message_move_task(self, call: Call) -> Answer:
        """StartMessageMoveTask: done at once, or at MaxNumberOfMessagesPerSecond."""
        arguments = call.arguments
        source = self._by_arn(arguments, "SourceArn")
        destination = (
            self._by_arn(arguments, "DestinationArn") if "DestinationArn" in arguments else None
        )
        if not self._account.origins_of(source):
            raise invalid("Source queue must be configured as a Dead Letter Queue.")
        rate = whole(arguments, "MaxNumberOfMessagesPerSecond", 0, FASTEST_MOVE_PER_SECOND)
        task = Move(
            source,
            destination,
            per_second=rate or None,
            started_at=self._clock.now(),
            to_move=source.counts().visible,
        )
        self._account.moves.start(task)
        return {"TaskHandle": task.handle}

    def cancel_message_move_task(self, call: Call) -> Answer:
        """CancelMessageMoveTask."""
        handle = call.arguments["TaskHandle"]
        try:
            source_arn = json.loads(base64.b64decode(handle, validate=True))["sourceArn"]
        except (binascii.Error, ValueError, TypeError, KeyError):
            raise invalid("Value for parameter TaskHandle is invalid.") from None
        self._by_arn({"SourceArn": source_arn}, "SourceArn")
        task = self._account.moves.cancel(handle)
        return {"ApproximateNumberOfMessagesMoved": task.moved}

    def list_message_move_tasks(self, call: Call) -> Answer:
        """ListMessageMoveTasks: the latest first; only one task unless more are requested."""
        most = whole(call.arguments, "MaxResults", 1, MOST_MOVES_LISTED, default=1)
        tasks = self._account.moves.of(self._by_arn(call.arguments, "SourceArn"))
        return {"Results": [_shown(task) for task in tasks[:most]]}

    def _queue(self, call: Call) -> Queue:
        return self._account.by_url(call.arguments["QueueUrl"])

    def _by_arn(self, arguments: Arguments, parameter: str) -> Queue:
        if queue := self._account.by_arn(arguments[parameter]):
            return queue
        raise SqsError(
            "ResourceNotFoundException",
            f"The resource that you specified for the {parameter} parameter doesn't exist.",
        )

    def _chunk(self, queues: Sequence[Queue], arguments: Arguments) -> tuple[list[str], Answer]:
        """Return a page of URLs; NextToken is there only if MaxResults was given."""
        most = whole(arguments, "MaxResults", 1, LARGEST_LIST, default=LARGEST_LIST)
        after = arguments.get("NextToken", "")
        left = [queue for queue in queues if queue.name > after]
        more = "MaxResults" in arguments and len(left) > most
        following = {"NextToken": left[most - 1].name} if more else {}
        return [self._account.url(queue) for queue in left[:most]], following


def _shown(task: Move) -> Answer:
    """Return a task as listed; its handle is there only while it can be cancelled."""
    known = {
        "TaskHandle": task.handle if task.status is Status.RUNNING else None,
        "Status": task.status,
        "SourceArn": task.source.arn,
        "DestinationArn": task.destination.arn if task.destination else None,
        "MaxNumberOfMessagesPerSecond": task.per_second,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "FailureReason": task.failure or None,
        "StartedTimestamp": int(task.started_at * 1000),
    }
    return {name: value for name, value in known.items() if value is not None}
