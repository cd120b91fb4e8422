"""The dead-letter queue and its source queue, as `ses-worker dlq` uses them.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from msgspec import Struct

from worker.core.dead_letter import DeadLetterMessage, dead_letter_from_queue, sendable
from worker.core.errors import Unavailable
from worker.sqs.client.digests import intact_messages
from worker.sqs.queue import (
    LARGEST_BATCH,
    POLL_SECONDS,
    ClientOptions,
    FailedEntry,
    Queue,
    as_received,
    dead_letter_queue_is_gone,
    failed_entries,
)
from worker.timing import clock

HIDDEN_SECONDS = 60
"""How long a received dead letter is hidden from other receivers, unless it is released before."""


class Move(Struct, frozen=True, kw_only=True):
    """The progress of a message move task of SQS."""

    state: str
    """RUNNING, COMPLETED, CANCELLING, CANCELLED or FAILED."""
    moved: int
    to_move: int
    failure: str

    @property
    def is_over(self) -> bool:
        """Nothing more will be moved."""
        return self.state in {"COMPLETED", "CANCELLED", "FAILED"}


class _Named(Queue):
    """A queue that can return its ARN."""

    def arn(self) -> str:
        """Ask for the ARN."""
        return self._attributes("QueueArn").get("QueueArn", "")


class DeadLetterQueue(_Named):
    """The dead-letter queue. Every call raises the errors of `Queue`."""

    def __init__(self, url: str, *, region: str, named_by: str, lean: bool = True) -> None:
        super().__init__(
            url,
            region=region,
            visibility_seconds=HIDDEN_SECONDS,
            client=ClientOptions(lean=lean, wait_seconds=POLL_SECONDS, connections=2),
        )
        self._named_by = named_by

    def _is_gone(self, url: str) -> str:
        return dead_letter_queue_is_gone(url, self._named_by)

    def look(self, most: int = LARGEST_BATCH) -> list[DeadLetterMessage]:
        """Receive at most `most` (1 to 10) dead letters; hide them from other receivers."""
        lease_from = clock.now()
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=most,
            WaitTimeSeconds=POLL_SECONDS,
            VisibilityTimeout=HIDDEN_SECONDS,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        now = clock.wall()
        return [
            dead_letter_from_queue(
                as_received(message, now, lease_from + HIDDEN_SECONDS),
                (message.get("Attributes") or {}).get("DeadLetterQueueSourceArn", ""),
            )
            for message in intact_messages(answer, self.name)
        ]

    def retention(self) -> timedelta:
        """Return SQS's retention, counted from when a message was first sent to any queue."""
        seconds = self._attributes("MessageRetentionPeriod").get("MessageRetentionPeriod", 345_600)
        return timedelta(seconds=int(seconds))

    def start_move(self, destination_arn: str) -> str:
        """Let SQS move all visible dead letters; return the task's handle.

        The destination is named because the worker sends dead letters to this queue itself, so that
        SQS knows no source of theirs; without a destination the task would fail.
        """
        request = {"SourceArn": self.arn(), "DestinationArn": destination_arn}
        answer = self._ask("start_message_move_task", request)
        if "TaskHandle" not in answer:
            raise Unavailable("the answer to StartMessageMoveTask confirms nothing")
        return str(answer["TaskHandle"])

    def look_at_move(self) -> Move:
        """Return the progress of the latest task."""
        answer = self._ask("list_message_move_tasks", {"SourceArn": self.arn()})
        task = (answer.get("Results") or [{}])[0]
        return Move(
            state=task.get("Status", ""),
            moved=task.get("ApproximateNumberOfMessagesMoved", 0),
            to_move=task.get("ApproximateNumberOfMessagesToMove", 0),
            failure=task.get("FailureReason", ""),
        )

    def cancel_move(self, handle: str) -> None:
        """End a task early; messages that were moved stay moved."""
        self._ask("cancel_message_move_task", {"TaskHandle": handle})


class SourceQueue(_Named):
    """The worker's queue, to which dead letters are sent back."""

    def send(
        self, dead_letters: Sequence[DeadLetterMessage]
    ) -> list[FailedEntry[DeadLetterMessage]]:
        """Send up to ten dead letters with their own attributes; return failed entries.

        An entry missing in the answer may have been accepted: sent again it is a duplicate.
        """
        entries: list[dict[str, Any]] = []
        for number, dead_letter in enumerate(dead_letters):
            entry: dict[str, Any] = {"Id": str(number), "MessageBody": dead_letter.received.body}
            if attributes := sendable(dead_letter.received.attributes):
                entry["MessageAttributes"] = attributes
            entries.append(entry)
        return failed_entries(dead_letters, self._call("send_message_batch", Entries=entries))
