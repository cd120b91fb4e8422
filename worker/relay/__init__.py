"""The relay: delivers the outbox, each lane on a thread of its own.

It is given its lanes and knows no sender. Each claim is settled: delivered, retried later, or
parked. A crash after a delivery and before its settlement repeats the delivery; none is lost.
"""

import threading
import time
from collections.abc import Sequence

import structlog

from worker.observability.health import Health
from worker.relay.idle_tracker import IdleTracker
from worker.relay.lane import LaneWorker
from worker.relay.settling import LaneSender
from worker.relay.wait_budget import WaitBudget
from worker.service.shutdown import LEFT_BEHIND
from worker.store.outbox import Outbox
from worker.timing.threads import GuardedThreads

TIME_OUT_SECONDS = 10.0
"""Time limit of a typical delivery, for planning the last delivery before a deadline."""
STOP_SECONDS = 15.0
"""How long a stop waits for running deliveries: longer than the time limit of a delivery."""

__all__ = ["LaneSender", "Relay", "WaitBudget"]

log = structlog.get_logger()


class Relay:
    """Delivers until it is stopped, or until the outbox is empty."""

    def __init__(
        self,
        outbox: Outbox,
        lanes: Sequence[LaneSender],
        wait_budget: WaitBudget,
        health: Health,
    ) -> None:
        self._wait_budget = wait_budget
        self._idle_tracker = IdleTracker()
        self._failure: BaseException | None = None
        self._stop_by = float("inf")
        self._workers = [
            LaneWorker(work, outbox, self._idle_tracker, wait_budget, health) for work in lanes
        ]
        self._threads = GuardedThreads(self._fail)
        for worker in self._workers:
            self._threads.add(worker.name, worker.run)

    @property
    def delivered(self) -> int:
        """Effects delivered by this process."""
        return self._idle_tracker.delivered

    @property
    def failure(self) -> BaseException | None:
        """The error that ended a lane, if any."""
        return self._failure

    def start(self) -> None:
        """Start a thread for each lane."""
        self._threads.start()

    def wake(self) -> None:
        """Wake the lanes: there are new entries."""
        for worker in self._workers:
            if not worker.wake.is_set():  # called after every message
                worker.wake.set()

    def stop(self) -> None:
        """Begin no more deliveries."""
        self._stop_by = min(self._stop_by, time.monotonic() + STOP_SECONDS)
        self._wait_budget.over.set()
        self.wake()

    def finish(self, hurry: threading.Event | None = None) -> bool:
        """Stop, and wait for running deliveries; return whether they ended in time.

        The time limit runs from the first `stop`. Once `hurry` is set this waits no longer: a
        delivery that is not settled is repeated after the next start.
        """
        self.stop()
        abandoned = self._threads.join(self._stop_by, hurry)
        if abandoned:
            self._stop_by = float("inf")  # another `finish`, at the end, waits again
            log.warning("relay.abandoned", threads=abandoned, hint=LEFT_BEHIND)
        return not abandoned

    def deliver_for(
        self, seconds: float, stop: threading.Event, hurry: threading.Event | None = None
    ) -> None:
        """Deliver the outbox for at most `seconds`, or until `stop` is set.

        The last delivery begins early enough for its time limit to end in time.
        """
        self._wait_budget.limit(max(seconds - TIME_OUT_SECONDS, seconds / 2))
        self.start()
        while self._wait_budget.lasts(0) and not stop.is_set():
            if not self._threads.running or self._idle_tracker.all_quiet(len(self._workers)):
                break
            stop.wait(0.05)
        self.finish(hurry)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
