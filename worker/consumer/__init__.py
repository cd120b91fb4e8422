"""The consumer: pollers that receive, write and settle messages, until it is stopped.

Start a `Consumer`, wait until it ends, then call `finish`.
"""

import threading
import time
from functools import partial

import structlog
from msgspec import Struct

from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.callbacks import Callbacks
from worker.consumer.clock_watch import ClockWatch
from worker.consumer.counters import Counters
from worker.consumer.hand_over import DeadLetters, HandOver
from worker.consumer.leases import Leases
from worker.consumer.message_budget import MessageBudget
from worker.consumer.polling import Poller
from worker.consumer.refusal import Refusal
from worker.consumer.settling import Settler
from worker.consumer.shared import Shared
from worker.consumer.writing import Writer, WriterStore
from worker.core.errors import Refused, Unsynced
from worker.core.ports import BatchStore
from worker.observability.health import Health, Pulse
from worker.service.shutdown import LEFT_BEHIND
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.queue import LARGEST_BATCH, Queue
from worker.timing.threads import GuardedThreads

SHUTDOWN_SECONDS = 38
"""Longest wait for the pollers in a stop, of its 45 s: a long poll (20 s), its read timeout (10 s),
and the settling of messages."""
HURRIED_SECONDS = 5
"""The same after a second signal, which does not wait for long polls."""
EMPTY_RECEIVES = 2
"""After so many empty receives in a row a queue counts as empty."""

__all__ = ["Callbacks", "Consumer", "Counters", "Plan"]

log = structlog.get_logger()


class Plan(Struct, frozen=True, kw_only=True):
    """How a consumer works."""

    wait_seconds: int
    """Length of a long poll."""
    pollers: int
    at_most: int | None = None
    """Limit on messages in total; None: no limit."""
    patient: bool = True
    """Wait for unavailable services; if False, they end the run and become `failure`."""


class Consumer:
    """Takes messages from the queue to the store until it is stopped or the queue is empty."""

    def __init__(
        self,
        plan: Plan,
        *,
        queue: Queue,
        store: WriterStore,
        callbacks: Callbacks,
        health: Health,
        byte_budget: ByteBudget,
    ) -> None:
        """Start nothing yet. The queue's client uses the same `byte_budget`."""
        self.failure: BaseException | None = None
        self.stopped = threading.Event()
        """A stop was requested, or a failure ended the run."""
        self._health = health
        self._reported_late: set[str] = set()
        self._clock_watch = ClockWatch(lambda: queue.clock_skew.seconds, health)
        leases = Leases(queue)
        self._hand_over = HandOver(leases, plan.pollers)
        self._shared = shared = Shared(
            wait_seconds=plan.wait_seconds,
            counters=Counters(),
            autoscaler=PollerAutoscaler(plan.pollers, full=LARGEST_BATCH),
            leases=leases,
            hand_over=self._hand_over,
            message_budget=MessageBudget(plan.at_most),
            byte_budget=byte_budget,
            health=health,
            stopping=self.stopped,
            give_up=None if plan.patient else self.fail,
        )
        self.counters, self.autoscaler = shared.counters, shared.autoscaler
        self._writer = Writer(
            callbacks=callbacks,
            store=store,
            counters=shared.counters,
            autoscaler=shared.autoscaler,
            health=health,
            stopping=self.stopped,
            give_up=shared.give_up or self._fail_if_unsynced,
        )
        self._refusal = Refusal(
            autoscaler=shared.autoscaler,
            leases=shared.leases,
            health=health,
            stopping=self.stopped,
            give_up=shared.give_up,
        )

        self._pollers = [
            self._make_poller(number, queue, store, callbacks) for number in range(plan.pollers)
        ]
        self._threads = GuardedThreads(self.fail)
        for poller in self._pollers:
            self._threads.add(f"poller-{poller.number}", partial(self._run, poller))
        setting_aside = partial(self._set_aside, plan.pollers, queue, store, callbacks)
        self._threads.add("dead-letters", setting_aside)
        self._pollers_ended = threading.Event()
        """No poller holds messages any more, or those that do are abandoned."""
        self._keeper = GuardedThreads(self.fail)
        self._keeper.add("lease-keeper", lambda: shared.leases.keep(self._pollers_ended))

    def _run(self, poller: Poller) -> None:
        try:
            poller.run()
        finally:
            self._hand_over.leave()

    def _set_aside(
        self, number: int, queue: Queue, store: BatchStore, callbacks: Callbacks
    ) -> None:
        """Set aside the dead letters of all pollers, as a poller that receives nothing."""
        pulse = self._health.pulse("dead-letters")
        settler = self._make_settler(number, queue, store, callbacks, pulse)

        def set_aside(dead_letters: DeadLetters) -> None:
            settler.set_aside(dead_letters)
            pulse.rest()

        self._hand_over.run(number, set_aside)

    def _make_settler(
        self, number: int, queue: Queue, store: BatchStore, callbacks: Callbacks, pulse: Pulse
    ) -> Settler:
        return Settler(
            number,
            queue=queue,
            store=store,
            shared=self._shared,
            pulse=pulse,
            refusal=self._refusal,
            notices=callbacks.notices,
        )

    def _make_poller(
        self, number: int, queue: Queue, store: BatchStore, callbacks: Callbacks
    ) -> Poller:
        pulse = self._health.pulse(f"poller-{number}")
        settler = self._make_settler(number, queue, store, callbacks, pulse)
        return Poller(
            number,
            queue=queue,
            shared=self._shared,
            pulse=pulse,
            writer=self._writer,
            settler=settler,
            settled=callbacks.settled,
        )

    @property
    def held(self) -> int:
        """Messages received and not settled."""
        # First the pollers': what is handed over meanwhile is counted twice, and never missed.
        return sum(poller.held for poller in self._pollers) + self._hand_over.held

    @property
    def idle(self) -> bool:
        """The last receives were empty, and no messages are held."""
        return self.autoscaler.empty_in_a_row >= EMPTY_RECEIVES and not self.held

    @property
    def exhausted(self) -> bool:
        """As many messages as the plan allows were received, and all are settled."""
        return self._shared.message_budget.exhausted and not self.held

    @property
    def refusal(self) -> Refused | None:
        """Why every delete of the run failed, if it did; to be read at the end."""
        return self._refusal.of_all()

    def start(self) -> None:
        """Start all threads."""
        self._threads.start()
        self._keeper.start()

    def look_after(self) -> None:
        """Report threads that hang, slow writes and a wrong clock; to be called each second."""
        self._writer.look_after()
        self._clock_watch.look()
        late = {loop.loop: loop.seconds for loop in self._health.late}
        for loop in late.keys() - self._reported_late:
            log.critical("thread.stalled", loop=loop, seconds=round(late[loop], 1))
        self._reported_late = set(late)

    def stop(self) -> None:
        """Receive no more. Messages being written are settled; what still arrives is released."""
        self.stopped.set()
        self._shared.message_budget.close()
        self._shared.byte_budget.close()
        self.autoscaler.close()

    def finish(self, hurry: threading.Event | None = None) -> bool:
        """Stop, and wait for the pollers; return whether all ended in time.

        Once `hurry` is set, long polls are not waited for: the messages that they bring stay hidden
        for the visibility timeout. Even so nothing is deleted before its commit.
        """
        self.stop()
        late = self._threads.join(
            time.monotonic() + SHUTDOWN_SECONDS,
            hurry,
            hurried_seconds=HURRIED_SECONDS,
            is_needed=lambda: self.held > 0,
        )
        self._pollers_ended.set()
        if late:
            log.warning("consumer.abandoned", threads=late, held=self.held, hint=LEFT_BEHIND)
        return not late

    def fail(self, error: BaseException) -> None:
        """Stop because of an error: an unavailable service, or a thread that died."""
        if self.failure is None:
            self.failure = error
        self.stop()

    def _fail_if_unsynced(self, error: BaseException) -> None:
        if isinstance(error, Unsynced):
            self.fail(error)
