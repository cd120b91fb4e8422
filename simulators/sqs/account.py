"""All queues of one account in one region, by their names, URLs and ARNs."""

import itertools
import re
import uuid
from collections.abc import Callable, Mapping

from simulators.sqs.clock import Clock
from simulators.sqs.errors import SqsError, invalid, no_such_queue
from simulators.sqs.journal import Event, What
from simulators.sqs.messages import Attributes, Message, body_digest
from simulators.sqs.moves import Moves
from simulators.sqs.queues import Queue
from simulators.sqs.quotas import NAME_PAUSE_SECONDS

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")


class Account:
    """Not thread-safe: the caller holds the lock."""

    def __init__(
        self,
        *,
        clock: Clock,
        record: Callable[[Event], None],
        region: str,
        number: str,
        most_in_flight: int,
    ) -> None:
        self.number = number
        self.endpoint = ""
        """The beginning of queue URLs; known once the server listens."""
        self.moves = Moves(self.by_arn, record)
        self._clock = clock
        self._record = record
        self._region = region
        self._most_in_flight = most_in_flight
        self._queues: dict[str, Queue] = {}
        self._deleted_at: dict[str, float] = {}
        self._serials = itertools.count()

    def create(self, name: str, attributes: Mapping[str, str]) -> Queue:
        """Make a queue, or return the queue of that name if it has the same attributes.

        Raises:
            SqsError: a wrong name or attribute, a name in use, or a name freed just now.

        """
        if not _NAME.fullmatch(name):
            raise invalid(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in"
                " length. (FIFO queues are not simulated.)"
            )
        if queue := self._queues.get(name):
            if differing := queue.attributes.differing(attributes):
                raise SqsError(
                    "QueueNameExists",
                    "A queue already exists with the same name and a different value for"
                    f" attribute {differing}",
                )
            return queue
        if self._clock.now() - self._deleted_at.get(name, 0) < NAME_PAUSE_SECONDS:
            raise SqsError(
                "QueueDeletedRecently",
                f"You must wait {NAME_PAUSE_SECONDS} seconds after deleting a queue before you"
                " can create another with the same name.",
            )
        queue = Queue(
            name,
            f"arn:aws:sqs:{self._region}:{self.number}:{name}",
            clock=self._clock,
            record=self._record,
            by_arn=self.by_arn,
            most_in_flight=self._most_in_flight,
        )
        queue.attributes.change(attributes, self.is_queue)
        self._queues[name] = queue
        return queue

    def delete(self, queue: Queue) -> None:
        """Delete a queue with its messages."""
        queue.empty(What.DROPPED)
        queue.deleted = True
        del self._queues[queue.name]
        self._deleted_at[queue.name] = self._clock.now()

    def by_name(self, name: str) -> Queue:
        """Find a queue.

        Raises:
            SqsError: no queue has that name.

        """
        if queue := self._queues.get(name):
            return queue
        raise no_such_queue()

    def by_url(self, url: str) -> Queue:
        """Find a queue by its URL, of which SQS reads the path alone, or by its name.

        Raises:
            SqsError: there is no such queue, or it is another account's.

        """
        before, _, name = url.rpartition("/")
        if before and before.rpartition("/")[2] != self.number:
            raise no_such_queue()
        return self.by_name(name)

    def by_arn(self, arn: str) -> Queue | None:
        """Find a queue by its ARN."""
        queue = self._queues.get(arn.rpartition(":")[2])
        return queue if queue and queue.arn == arn else None

    def is_queue(self, arn: str) -> bool:
        """Return whether there is such a queue."""
        return self.by_arn(arn) is not None

    def url(self, queue: Queue) -> str:
        """Return the URL of a queue."""
        return f"{self.endpoint}/{self.number}/{queue.name}"

    def queues(self, prefix: str = "") -> list[Queue]:
        """Return the queues whose names begin with `prefix`, in alphabetical order."""
        return [self._queues[name] for name in sorted(self._queues) if name.startswith(prefix)]

    def origins_of(self, target: Queue) -> list[Queue]:
        """Return the queues whose dead-letter queue this is."""
        return [
            queue
            for queue in self.queues()
            if queue.attributes.redrive and queue.attributes.redrive.target_arn == target.arn
        ]

    def draft(self, body: str, attributes: Attributes) -> Message:
        """Make a message, without sending it."""
        return Message(
            id=str(uuid.uuid4()),
            body=body,
            body_md5=body_digest(body),
            attributes=attributes,
            sent_at=self._clock.now(),
            serial=next(self._serials),
        )
