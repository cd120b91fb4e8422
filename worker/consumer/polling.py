"""A poller: receives up to ten messages and sees them through, to commit and off the queue."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from sys import getsizeof

import structlog

from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.leases import EXTENDING_SECONDS, Leases
from worker.consumer.message_budget import MessageBudget
from worker.consumer.settling import Settler
from worker.consumer.writing import Writer
from worker.core.errors import Refused, Stopped, Unavailable
from worker.core.model import Handled, Received, Release
from worker.observability.health import Health, Pulse
from worker.sqs import queue
from worker.sqs.byte_budget import WAIT_SECONDS, ByteBudget
from worker.sqs.queue import LARGEST_BATCH, Queue
from worker.timing.retries import a_few_times, unless_over, while_unreachable

GATHERED = 200
"""Messages, of a backlog, for one commit: twenty times fewer of them."""
GATHERED_BYTES = 4 * 1_048_576
"""Of bodies; beyond them no more is received, however few messages they are."""
GATHERING_SECONDS = 0.05
"""So long, at most, may the first of them wait for the last."""

CALL_SECONDS = max(queue.CALL_SECONDS + WAIT_SECONDS, EXTENDING_SECONDS) + 10.0
"""More than a call to SQS takes on top of its long poll, with the wait for room to read its answer,
or than waiting for leases does."""

log = structlog.get_logger()


class Poller:
    """One of several threads; its number decides which rest when there is little to do."""

    def __init__(
        self,
        number: int,
        *,
        queue: Queue,
        wait_seconds: int,
        writer: Writer,
        settler: Settler,
        leases: Leases,
        report: Callable[[Sequence[Handled]], None],
        message_budget: MessageBudget,
        autoscaler: PollerAutoscaler,
        byte_budget: ByteBudget,
        health: Health,
        pulse: Pulse,
        stopping: threading.Event,
        give_up: Callable[[BaseException], None] | None,
    ) -> None:
        self.number = number
        self._queue = queue
        self._wait_seconds = wait_seconds
        self._writer = writer
        self._settler = settler
        self._leases = leases
        self._report = report
        self._message_budget = message_budget
        self._autoscaler = autoscaler
        self._byte_budget = byte_budget
        self._health = health
        self._pulse = pulse
        self._stopping = stopping
        self._pause = unless_over(stopping)
        self._give_up = give_up
        # For as long as it takes, unless somebody waits for us.
        self._again = (
            a_few_times(self._sleep)
            if give_up
            else while_unreachable(self._sleep, self._log_receive_error)
        )
        self.held = 0
        """Messages received, and not yet settled and logged."""
        self._held_bytes = 0
        """Of their bodies, in memory."""

    def run(self) -> None:
        """Receive, write, settle; until it is over."""
        try:
            while (most := self._may_receive()) and (granted := self._message_budget.take(most)):
                self._receive_and_see_through(granted)
                self._byte_budget.give_back()
        finally:
            self._byte_budget.give_back()

    def _receive_and_see_through(self, granted: int) -> None:
        """In a frame of its own: while the next long poll waits, nothing is kept of this one."""
        messages = self._receive(granted)
        if len(messages) == LARGEST_BATCH:
            self._gather(messages)
        self._autoscaler.received(
            len(messages)
        )  # not before: with a single commit nobody need help
        if messages:
            self._see_through(messages)

    def _may_receive(self) -> int:
        """Wait until this one may; return how many messages, 0 when it is over."""
        while True:
            self._pulse.rest()
            self._writer.await_store()
            if not self._autoscaler.await_slot(self.number):
                return 0
            most = self._byte_budget.ask(min(self._writer.most, self._settler.most))
            if not self._autoscaler.halted:
                return most
            self._byte_budget.give_back()  # it was halted while there was no byte_budget

    def _receive(self, granted: int) -> list[Received]:
        """Long-poll; wait for SQS for as long as it takes, unless somebody waits for us."""
        messages: list[Received] = []
        self._pulse.within(self._wait_seconds + CALL_SECONDS)
        try:
            messages = self._again(self._queue.receive, granted, self._wait_seconds)
            self._health.resolve("queue")
        except Stopped:
            pass
        except (Unavailable, Refused) as error:
            if self._give_up:
                self._give_up(error)
        finally:
            self._got(granted, messages)
        return messages

    def _gather(self, messages: list[Received]) -> None:
        """Add to a full receive: there is a backlog, and one commit will do for more.

        What is in hand must not wait. So this does not long-poll, does not try again, and finding
        nothing says nothing about the queue.
        """
        self._pulse.within(CALL_SECONDS)
        self._leases.hold(self.number, messages)  # as they become more
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
            with suppress(
                Unavailable, Refused
            ):  # the next long poll will fail likewise, and log it
                if granted and not self._stopping.is_set():
                    more = self._queue.receive(granted, wait_seconds=0)
            self._got(granted, more)
            messages += more

    def _got(self, granted: int, messages: Sequence[Received]) -> None:
        self.held += len(messages)
        sizes = [getsizeof(message.body) for message in messages]  # up to 4 bytes a character
        self._held_bytes += (latest := sum(sizes))
        self._byte_budget.hold(self._held_bytes, latest, max(sizes, default=0))
        self._message_budget.give_back(granted, len(messages))

    def _see_through(self, messages: Sequence[Received]) -> None:
        if self._stopping.is_set():
            handled = [Handled(message, Release(0, begun=False)) for message in messages]
        else:
            self._pulse.within(CALL_SECONDS)
            self._leases.hold(self.number, messages)
            self._pulse.rest()  # the writer has a pulse of its own
            handled = self._writer.write(messages)
        self._settler.settle(handled)
        self._report(handled)
        self._held_bytes = 0
        self.held = 0  # not before: who is in a hurry leaves once nothing is held

    def _sleep(self, seconds: float) -> None:
        self._byte_budget.give_back()  # an answer that broke off is not read any more
        self._pulse.within(seconds + self._wait_seconds + CALL_SECONDS)
        self._pause(seconds)

    def _log_receive_error(self, error: BaseException, seconds: float) -> None:
        self._autoscaler.receive_failed()
        self._health.report_problem("queue", error)
        log.warning(
            "queue.unavailable",
            queue=self._queue.name,
            error=str(error),
            next_try_seconds=round(seconds, 1),
        )
