"""SQS without the network: all operations, the lock, and long polls that wait for a change."""

from collections.abc import Callable
from threading import Condition

from simulators.sqs.account import Account
from simulators.sqs.administration import Administration
from simulators.sqs.calls import Call
from simulators.sqs.clock import Clock
from simulators.sqs.hooks import Hooks
from simulators.sqs.journal import Event, Journal
from simulators.sqs.messaging import Messaging
from simulators.sqs.parameters import Answer, check


class Service:
    """Thread-safe."""

    def __init__(
        self, *, clock: Clock, journal: Journal, region: str, account: str, most_in_flight: int
    ) -> None:
        self.changed = Condition()
        """The lock of all queues; notified of each change of a message or the clock."""
        self.hooks = Hooks()
        self.account = Account(
            clock=clock,
            record=self._record,
            region=region,
            number=account,
            most_in_flight=most_in_flight,
        )
        self._clock = clock
        self._journal = journal
        self.messaging = messaging = Messaging(
            self.account, clock=clock, changed=self.changed, hooks=self.hooks, record=self._record
        )
        administration = Administration(self.account, clock=clock)
        self._on_messages: dict[str, Callable[[Call], Answer]] = {
            "ChangeMessageVisibility": messaging.change_visibility,
            "ChangeMessageVisibilityBatch": messaging.change_visibility_batch,
            "DeleteMessage": messaging.delete,
            "DeleteMessageBatch": messaging.delete_batch,
            "ReceiveMessage": messaging.receive,
            "SendMessage": messaging.send,
            "SendMessageBatch": messaging.send_batch,
        }
        self._on_queues: dict[str, Callable[[Call], Answer]] = {
            "CancelMessageMoveTask": administration.cancel_message_move_task,
            "CreateQueue": administration.create_queue,
            "DeleteQueue": administration.delete_queue,
            "GetQueueAttributes": administration.get_queue_attributes,
            "GetQueueUrl": administration.get_queue_url,
            "ListDeadLetterSourceQueues": administration.list_dead_letter_source_queues,
            "ListMessageMoveTasks": administration.list_message_move_tasks,
            "ListQueues": administration.list_queues,
            "PurgeQueue": administration.purge_queue,
            "SetQueueAttributes": administration.set_queue_attributes,
            "StartMessageMoveTask": administration.start_message_move_task,
        }
        clock.watch(self.wake)

    def perform(self, call: Call) -> Answer:
        """Perform an operation.

        Raises:
            SqsError: SQS would not.

        """
        check(call.operation, call.arguments)
        if operation := self._on_messages.get(call.operation):
            return operation(call)
        with self.changed:
            self.account.moves.go_on(self._clock.now())
            answer = self._on_queues[call.operation](call)
            self.changed.notify_all()
            return answer

    def wake(self) -> None:
        """Wake all threads that wait."""
        with self.changed:
            self.account.moves.go_on(self._clock.now())
            self.changed.notify_all()

    def _record(self, event: Event) -> None:
        self._journal.record(event)
        self.changed.notify_all()
