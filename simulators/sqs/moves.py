"""Message move tasks: a dead-letter queue is moved back, or to a given queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
"""

import base64
import json
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from simulators.sqs.errors import SqsError, invalid
from simulators.sqs.journal import Event, What
from simulators.sqs.messages import Message
from simulators.sqs.queues import Queue


class Status(StrEnum):
    """The state of a task."""

    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


@dataclass(slots=True)
class Move:
    """A task."""

    source: Queue
    destination: Queue | None
    """None: each message goes back to the queue it was dead-lettered from."""
    per_second: int | None
    """Messages per second; None: all at once."""
    started_at: float
    to_move: int
    moved: int = 0
    status: Status = Status.RUNNING
    failure: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def handle(self) -> str:
        """The TaskHandle."""
        note = {"taskId": self.id, "sourceArn": self.source.arn}
        return base64.b64encode(json.dumps(note).encode()).decode()

    def next_at(self) -> float:
        """Return when the next message is due."""
        if self.status is not Status.RUNNING:
            return math.inf
        return self.started_at + (self.moved / self.per_second if self.per_second else 0)


class Moves:
    """All tasks; a task with a rate progresses with the clock. Not thread-safe."""

    def __init__(
        self, by_arn: Callable[[str], Queue | None], record: Callable[[Event], None]
    ) -> None:
        self._by_arn = by_arn
        self._record = record
        self._tasks: list[Move] = []

    def start(self, task: Move) -> None:
        """Start a task, and move the messages that are due.

        Raises:
            SqsError: another task runs for the same queue.

        """
        if any(item.status is Status.RUNNING for item in self.of(task.source)):
            raise invalid(
                "There is already a task running. Only one active task is allowed for a source"
                " queue arn at a given time."
            )
        self._tasks.append(task)
        self.go_on(task.started_at)

    def cancel(self, handle: str) -> Move:
        """Cancel a task; moved messages stay moved.

        Raises:
            SqsError: no such task, or it has ended.

        """
        task = next((item for item in self._tasks if item.handle == handle), None)
        if task is None:
            raise SqsError("ResourceNotFoundException", "Task does not exist.")
        if task.status is not Status.RUNNING:
            raise invalid("Only active tasks can be cancelled.")
        task.status = Status.CANCELLED
        return task

    def of(self, source: Queue) -> list[Move]:
        """Return the tasks of a queue, the latest first."""
        return [task for task in reversed(self._tasks) if task.source is source]

    def go_on(self, now: float) -> None:
        """Move the messages that are due."""
        for task in self._tasks:
            while task.next_at() <= now:
                self._step(task, now)

    def next_at(self) -> float:
        """Return when the next message of any task is due; infinity if there is none."""
        return min((task.next_at() for task in self._tasks), default=math.inf)

    def _step(self, task: Move, now: float) -> None:
        message = task.source.take() if task.moved < task.to_move else None
        if message is None:
            task.status = Status.COMPLETED
            return
        try:
            destination = self._destination(task, message)
        except LookupError as error:
            task.source.put(message)
            task.status, task.failure = Status.FAILED, str(error)
            return
        moved = _anew(message, now)
        destination.put(moved)
        task.moved += 1
        here, there = task.source.name, destination.name
        self._record(Event(now, What.MOVED, here, message.id, detail=moved.id))
        self._record(Event(now, What.SENT, there, moved.id, detail=message.id))

    def _destination(self, task: Move, message: Message) -> Queue:
        if task.destination is None and message.source_arn is None:
            # It was sent to the dead-letter queue directly, as the worker does.
            raise LookupError("CouldNotDetermineMessageSource")
        destination = task.destination or self._by_arn(message.source_arn or "")
        if destination is None or destination.deleted:
            raise LookupError("AWS.SimpleQueueService.NonExistentQueue")
        return destination


def _anew(message: Message, now: float) -> Message:
    """Copy a message as SQS does: new id, new enqueue time, same body and attributes.

    AWS does not document its receive count; here it starts again.
    """
    return replace(
        message,
        id=str(uuid.uuid4()),
        sent_at=now,
        first_received_at=0,
        receive_count=0,
        source_arn=None,
    )
