"""The SQS simulator, as a test or the demo uses it."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from simulators.sqs.calls import Call
from simulators.sqs.clock import Clock
from simulators.sqs.hooks import Deletion, Sending
from simulators.sqs.journal import Journal
from simulators.sqs.messages import Attributes
from simulators.sqs.parameters import Answer
from simulators.sqs.queues import Queue
from simulators.sqs.quotas import MOST_IN_FLIGHT
from simulators.sqs.script import Faults
from simulators.sqs.server import Server
from simulators.sqs.service import Service
from simulators.sqs.states import Counts, MessageState


class SqsSimulator:
    """A strict SQS on the loopback interface, for the length of a `with` block.

    Methods take a queue by URL or by name.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        region: str = "eu-west-1",
        account: str = "111122223333",
        most_in_flight: int = MOST_IN_FLIGHT,
    ) -> None:
        self.clock = clock or Clock()
        self.journal = Journal()
        self.faults = Faults()
        self.region = region
        self._service = Service(
            clock=self.clock,
            journal=self.journal,
            region=region,
            account=account,
            most_in_flight=most_in_flight,
        )
        self._server = Server(
            self._service, faults=self.faults, journal=self.journal, clock=self.clock
        )
        self._service.account.endpoint = self._server.endpoint

    def __enter__(self) -> Self:
        """Return the simulator, which listens already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening; `check`, unless the block itself has failed."""
        self.close()
        if error is None:
            self.check()

    @property
    def endpoint(self) -> str:
        """The `endpoint_url` for boto3."""
        return self._server.endpoint

    @property
    def date_ahead(self) -> float | None:
        """Seconds by which the `Date` of answers is ahead of real time; None: no `Date`."""
        return self._server.date_ahead

    @date_ahead.setter
    def date_ahead(self, seconds: float | None) -> None:
        self._server.date_ahead = seconds

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment in which a process calls the simulator."""
        return {
            "AWS_ENDPOINT_URL_SQS": self.endpoint,
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLESIMULATED",
            "AWS_SECRET_ACCESS_KEY": "not-checked",
        }

    def create_queue(
        self,
        name: str,
        *,
        dead_letter: str | None = None,
        max_receive_count: int = 5,
        **attributes: object,
    ) -> str:
        """Create a queue, and with `dead_letter` its dead-letter queue; return its URL.

        Further attributes are SQS's own: `VisibilityTimeout=2`, `DelaySeconds=1`, ….
        """
        texts = {key: str(value) for key, value in attributes.items()}
        if dead_letter:
            self.create_queue(dead_letter)
            target = {"deadLetterTargetArn": self.arn(dead_letter)}
            texts["RedrivePolicy"] = json.dumps(target | {"maxReceiveCount": max_receive_count})
        url: str = self._ask("CreateQueue", QueueName=name, Attributes=texts)["QueueUrl"]
        return url

    def url(self, queue: str) -> str:
        """Return the URL of a queue."""
        return self._service.account.url(self._queue(queue))

    def arn(self, queue: str) -> str:
        """Return the ARN of a queue."""
        return self._queue(queue).arn

    def send(
        self, queue: str, body: str, *, delay: int = 0, attributes: Attributes | None = None
    ) -> str:
        """Send a message without a request, so without faults; return its id."""
        more: dict[str, Any] = {"DelaySeconds": delay} if delay else {}
        if attributes:
            more["MessageAttributes"] = attributes
        sent = self._ask("SendMessage", QueueUrl=self.url(queue), MessageBody=body, **more)
        message_id: str = sent["MessageId"]
        return message_id

    def messages(self, queue: str) -> list[MessageState]:
        """Return the messages of a queue without receiving them: visible, in flight, delayed."""
        with self._service.changed:
            return self._queue(queue).message_states()

    def counts(self, queue: str) -> Counts:
        """Count the messages of a queue."""
        with self._service.changed:
            return self._queue(queue).counts()

    @property
    def long_polls(self) -> int:
        """The number of receives that wait for a message now."""
        return self._service.messaging.long_polls

    @contextmanager
    def hurried(self, seconds: float = 0.02) -> Iterator[None]:
        """Let long polls that begin meanwhile end after so many seconds, whatever they ask.

        A program that looks until the queue is empty comes to that end sooner.
        """
        limits = self._service.messaging.longest_polls
        limits.append(seconds)
        try:
            yield
        finally:
            limits.remove(seconds)

    def on_delete(self, hook: Callable[[Deletion], None]) -> None:
        """Call a hook before each delete is performed; the client waits for it."""
        self._service.hooks.on_delete.append(hook)

    def on_send(self, hook: Callable[[Sending], None]) -> None:
        """Call a hook before each message is enqueued; the client waits for it."""
        self._service.hooks.on_send.append(hook)

    def on_sent(self, hook: Callable[[Sending], None]) -> None:
        """Call a hook after each message is enqueued; the client waits for it."""
        self._service.hooks.on_sent.append(hook)

    def wait_for(self, predicate: Callable[[], bool], seconds: float = 10) -> bool:
        """Wait until a predicate is true; return False after so many real seconds.

        The predicate is evaluated after every change to a message, so tests need not poll.
        """
        deadline = time.monotonic() + seconds
        with self._service.changed:
            while not predicate():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                until = self._next_change() - self.clock.now()
                self._service.changed.wait(min(left, max(until, 0.05)))
            return True

    def check(self) -> None:
        """Raise the exceptions of hooks, and errors of the simulator itself.

        Raises:
            BaseExceptionGroup: there were any.

        """
        if failures := [*self._service.hooks.failures, *self._server.failures]:
            raise BaseExceptionGroup("while the simulator was serving", failures)

    def close(self) -> None:
        """Stop listening; queues and journal can still be read."""
        self._server.close()

    def _queue(self, queue: str) -> Queue:
        return self._service.account.by_url(queue)

    def _next_change(self) -> float:
        return min(
            (queue.next_change() for queue in self._service.account.queues()), default=math.inf
        )

    def _ask(self, operation: str, **arguments: Any) -> Answer:
        return self._service.perform(Call(operation, arguments, threading.Event()))
