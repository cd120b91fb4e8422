"""A poller: receives messages, has them written, and settles them on the queue."""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from sys import getsizeof

import structlog

from worker.consumer.leases import EXTENDING_SECONDS
from worker.consumer.settling import Settler
from worker.consumer.shared import Shared
from worker.consumer.writing import Writer
from worker.core.errors import Refused, Stopped, Unavailable
from worker.core.messages import Handled, Received, Release
from worker.observability.health import Pulse
from worker.sqs import queue
from worker.sqs.byte_budget import WAIT_SECONDS
from worker.sqs.queue import LARGEST_BATCH, Queue
from worker.timing.retries import a_few_times, unless_over, while_unreachable

GATHERED = 200
"""Messages that a poller gathers for one commit when there is a backlog: 20 full receives."""
GATHERED_BYTES = 4 * 1_048_576
"""Bytes of bodies after which a poller gathers no more messages."""
GATHERING_SECONDS = 0.05
"""Longest time that the first message of a commit waits for the last."""

CALL_SECONDS = max(queue.CALL_SECONDS + WAIT_SECONDS, EXTENDING_SECONDS) + 10.0
"""More than a call to SQS takes in addition to its long poll, with the wait for the byte budget;
and more than the wait for an extension of leases."""

log = structlog.get_logger()


class Poller:
    """Runs in a thread of its own; pollers with high numbers rest when there is little to do."""

    def __init__(
        self,
        number: int,
        *,
        queue: Queue,
        shared: Shared,
        pulse: Pulse,
        writer: Writer,
        settler: Settler,
        settled: Callable[[Sequence[Handled]], None],
    ) -> None:
        self.number = number
        self._queue = queue
        self._wait_seconds = shared.wait_seconds
        self._leases = shared.leases
        self._message_budget = shared.message_budget
        self._autoscaler = shared.autoscaler
        self._byte_budget = shared.byte_budget
        self._health = shared.health
        self._stopping = shared.stopping
        self._give_up = shared.give_up
        self._pulse = pulse
        self._writer = writer
        self._settler = settler
        self._call_settled = settled
        self._pause = unless_over(shared.stopping)
        self._again = (
            a_few_times(self._sleep)
            if shared.give_up
            else while_unreachable(self._sleep, self._log_receive_error)
        )
        self.held = 0
        """Messages received, and not yet settled and reported."""
        self._held_bytes = 0
        """Bytes of their bodies in memory."""

    def run(self) -> None:
        """Receive, write and settle messages until a stop or the limit on messages."""
        try:
            while (most := self._may_receive()) and (granted := self._message_budget.take(most)):
                self._receive_and_handle(granted)
                self._byte_budget.give_back()
        finally:
            self._byte_budget.give_back()

    def _receive_and_handle(self, granted: int) -> None:
        """Receive messages and handle them.

        A method of its own, so that no message is kept in memory during the next long poll.
        """
        messages = self._receive(granted)
        if len(messages) == LARGEST_BATCH:
            self._gather(messages)
        # After gathering: messages that fit into one commit need no second poller.
        self._autoscaler.received(len(messages))
        if messages:
            self._handle(messages)

    def _may_receive(self) -> int:
        """Wait until this poller may receive; return how many messages, 0 after a stop."""
        while True:
            self._pulse.rest()
            self._writer.await_store()
            if not self._autoscaler.await_slot(self.number):
                return 0
            most = self._byte_budget.ask(min(self._writer.most, self._settler.most))
            if not self._autoscaler.halted:
                return most
            self._byte_budget.give_back()  # pollers were halted while it waited for the byte budget

    def _receive(self, granted: int) -> list[Received]:
        """Long-poll; while SQS is unavailable, retry until it answers, or give up if so planned."""
        messages: list[Received] = []
        self._pulse.within(self._wait_seconds + CALL_SECONDS)
        try:
            messages = self._again(self._queue.receive, granted, self._wait_seconds)
            self._log_recovery()
        except Stopped:
            pass
        except (Unavailable, Refused) as error:
            if self._give_up:
                self._give_up(error)
        finally:
            self._account(granted, messages)
        return messages

    def _gather(self, messages: list[Received]) -> None:
        """Add more messages to a full receive: there is a backlog, and one commit writes more.

        The received messages must not wait. So this neither long-polls nor retries, and an empty
        receive here does not mean an empty queue.
        """
        self._pulse.within(CALL_SECONDS)
        self._leases.hold(self.number, messages)  # the list grows
        more, until = messages, time.monotonic() + GATHERING_SECONDS
        while (
            len(more) == LARGEST_BATCH
            and len(messages) < GATHERED
            and self._held_bytes < GATHERED_BYTES
            and not self._byte_budget.is_for_large
            and time.monotonic() < until
        ):
            self._pulse.within(CALL_SECONDS)
            granted = self._message_budget.take(LARGEST_BATCH, wait=False)
            more = []
            # The next long poll will fail in the same way, and log it.
            with suppress(Unavailable, Refused):
                if granted and not self._stopping.is_set():
                    more = self._queue.receive(granted, wait_seconds=0)
            self._account(granted, more)
            messages += more

    def _account(self, granted: int, messages: Sequence[Received]) -> None:
        """Count received messages in both budgets."""
        self.held += len(messages)
        sizes = [getsizeof(message.body) for message in messages]  # up to 4 bytes a character
        self._held_bytes += (latest := sum(sizes))
        self._byte_budget.hold(self._held_bytes, latest, max(sizes, default=0))
        self._message_budget.give_back(granted, len(messages))

    def _handle(self, messages: Sequence[Received]) -> None:
        """Have messages written and settle them; after a stop, release them."""
        if self._stopping.is_set():
            handled = [Handled(message, Release(0, begun=False)) for message in messages]
        else:
            self._pulse.within(CALL_SECONDS)
            self._leases.hold(self.number, messages)
            self._pulse.rest()  # the writer has its own pulse
            handled = self._writer.write(messages)
        self._settler.settle(handled)
        self._call_settled(handled)
        self._held_bytes = 0
        self.held = 0  # last: a hurried stop ends as soon as no messages are held

    def _sleep(self, seconds: float) -> None:
        self._byte_budget.give_back()  # an answer that broke off is not in memory any more
        self._pulse.within(seconds + self._wait_seconds + CALL_SECONDS)
        self._pause(seconds)

    def _log_recovery(self) -> None:
        if (seconds := self._health.resolve("queue")) is not None:
            log.info("queue.available", queue=self._queue.name, outage_seconds=round(seconds, 1))

    def _log_receive_error(self, error: BaseException, seconds: float) -> None:
        self._autoscaler.receive_failed()
        self._health.report_problem("queue", error)
        log.warning(
            "queue.unavailable",
            queue=self._queue.name,
            error=str(error),
            next_try_seconds=round(seconds, 1),
        )
