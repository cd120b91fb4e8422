"""The consumer: pollers that receive, write and settle; and how they stop.

Start a `Consumer`, wait until it ends, then call `finish`.
"""

import threading
import time
from collections.abc import Callable, Sequence

import structlog
from msgspec import Struct

from worker.consumer.autoscaler import PollerAutoscaler
from worker.consumer.clock_watch import ClockWatch
from worker.consumer.counters import Counters
from worker.consumer.leases import Leases
from worker.consumer.message_budget import MessageBudget
from worker.consumer.polling import Poller
from worker.consumer.refusal import Refusal
from worker.consumer.settling import SetAside, Settler
from worker.consumer.writing import Writer
from worker.core.effects import OutboxEntry
from worker.core.errors import Refused, Unsynced
from worker.core.model import Handled, Received
from worker.core.ports import BatchStore
from worker.observability.health import Health
from worker.service.shutdown import LEFT_BEHIND
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.queue import LARGEST_BATCH, Queue

SHUTDOWN_SECONDS = 38
"""A long poll (20 s) and its read timeout (10 s), then what is held; of the 45 s of a stop."""
HURRIED_SECONDS = 5
EMPTY_RECEIVES = 2
"""In a row, and a queue looks empty."""

__all__ = ["Consumer", "Counters", "Plan"]

log = structlog.get_logger()


class Plan(Struct, frozen=True, kw_only=True):
    """How a consumer is to work."""

    wait_seconds: int
    pollers: int
    at_most: int | None = None
    """Messages in all."""
    patient: bool = True
    """Wait for unavailable services; if False, they end the run and become `failure`."""


class Consumer:
    """Takes messages from the queue to the store until it is stopped or the queue is empty."""

    def __init__(
        self,
        plan: Plan,
        *,
        queue: Queue,
        store: BatchStore,
        process: Callable[[Sequence[Received]], list[Handled]],
        report: Callable[[Sequence[Handled]], None],
        probe: Callable[[], None],
        health: Health,
        break_off: Callable[[], None] = lambda: None,
        who_holds: Callable[[], str] = lambda: "",
        notices: Callable[[Sequence[SetAside]], Sequence[OutboxEntry]] = lambda _: (),
        byte_budget: ByteBudget | None = None,
    ) -> None:
        self._byte_budget = byte_budget = byte_budget or ByteBudget()
        self.counters = Counters()
        self.autoscaler = PollerAutoscaler(plan.pollers, full=LARGEST_BATCH)
        self.failure: BaseException | None = None
        self.stopped = threading.Event()
        """A stop was requested, or a failure ended it."""
        self._health = health
        self._reported_late: set[str] = set()
        self._clock_watch = ClockWatch(lambda: queue.clock_skew.seconds, health)
        self._message_budget = MessageBudget(plan.at_most)
        give_up = None if plan.patient else self.fail
        self._writer = writer = Writer(
            process=process,
            probe=probe,
            counters=self.counters,
            autoscaler=self.autoscaler,
            health=health,
            stopping=self.stopped,
            give_up=give_up or self._fail_if_unsynced,
            break_off=break_off,
            who_holds=who_holds,
        )
        leases = Leases(queue)
        self._refusal = refusal = Refusal(
            autoscaler=self.autoscaler,
            leases=leases,
            health=health,
            stopping=self.stopped,
            give_up=give_up,
        )

        def make_poller(number: int) -> Poller:
            pulse = health.pulse(f"poller-{number}")
            settler = Settler(
                number,
                queue=queue,
                store=store,
                leases=leases,
                pulse=pulse,
                counters=self.counters,
                refusal=refusal,
                notices=notices,
            )
            return Poller(
                number,
                queue=queue,
                wait_seconds=plan.wait_seconds,
                writer=writer,
                settler=settler,
                leases=leases,
                report=report,
                message_budget=self._message_budget,
                autoscaler=self.autoscaler,
                byte_budget=byte_budget,
                health=health,
                pulse=pulse,
                stopping=self.stopped,
                give_up=give_up,
            )

        self._pollers = [make_poller(number) for number in range(plan.pollers)]
        self._threads = [self._thread(f"poller-{p.number}", p.run) for p in self._pollers]
        self._done = threading.Event()
        """No poller holds anything any more, or is waited for."""
        self._keeper = self._thread("lease-keeper", lambda: leases.keep(self._done))

    @property
    def held(self) -> int:
        """Messages received and not settled."""
        return sum(poller.held for poller in self._pollers)

    @property
    def idle(self) -> bool:
        """Two receives in a row were empty, and nothing is held."""
        return self.autoscaler.empty_in_a_row >= EMPTY_RECEIVES and not self.held

    @property
    def exhausted(self) -> bool:
        """All the messages that were to be had were had, and are settled."""
        return self._message_budget.exhausted and not self.held

    @property
    def refusal(self) -> Refused | None:
        """Why nothing could be deleted, if that is so; for who is done."""
        return self._refusal.of_all()

    def start(self) -> None:
        """Start all threads."""
        for thread in (*self._threads, self._keeper):
            thread.start()

    def look_after(self) -> None:
        """Notice what hangs, and a wrong clock; whoever waits for the end calls it each second."""
        self._writer.look_after()
        self._clock_watch.look()
        late = {loop.loop: loop.seconds for loop in self._health.late}
        for loop in late.keys() - self._reported_late:
            log.critical("thread.stalled", loop=loop, seconds=round(late[loop], 1))
        self._reported_late = set(late)

    def stop(self) -> None:
        """Receive no more; what is begun is finished, what still arrives goes back."""
        self.stopped.set()
        self._message_budget.close()
        self._byte_budget.close()
        self.autoscaler.close()

    def finish(self, hurry: threading.Event | None = None) -> bool:
        """Stop, and wait for the threads; return whether all ended in time.

        Once `hurry` is set, long polls are not waited for: what they bring stays hidden for the
        visibility timeout. Even so nothing is deleted before its commit.
        """
        self.stop()
        hurry = hurry or threading.Event()
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while (running := self._running()) and time.monotonic() < deadline:
            if hurry.is_set():
                deadline = min(deadline, time.monotonic() + HURRIED_SECONDS)
                if not self.held:
                    break
            running[0].join(0.05)
        self._done.set()
        late = [thread.name for thread in self._running()]
        if late:
            log.warning("consumer.abandoned", threads=late, held=self.held, hint=LEFT_BEHIND)
        return not late

    def _running(self) -> list[threading.Thread]:
        return [thread for thread in self._threads if thread.is_alive()]

    def _thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                run()
            except BaseException as error:
                log.critical("thread.died", thread=name, exc_info=error)
                self.fail(error)

        # Daemons, so that a thread that hangs cannot keep the process from leaving: leaving is
        # always safe, as nothing is deleted before its commit.
        return threading.Thread(target=guarded, name=name, daemon=True)

    def _fail_if_unsynced(self, error: BaseException) -> None:
        if isinstance(error, Unsynced):
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Stop because of an error: an unavailable service, or a thread that died."""
        if self.failure is None:
            self.failure = error
        self.stop()
