"""The relay: delivers the outbox, each lane on a thread of its own.

It is given its senders and knows none of them. Each claim is settled: delivered, retried later,
or parked. A crash between the two may repeat a delivery; it never loses one.
"""

import threading
import time
from collections.abc import Sequence

import structlog

from worker.observability.health import Health
from worker.relay.idle_tracker import IdleTracker
from worker.relay.lane import LaneWork, LaneWorker
from worker.relay.wait_budget import WaitBudget
from worker.service.shutdown import LEFT_BEHIND
from worker.store.outbox import Outbox
from worker.timing.threads import GuardedThreads

TIME_OUT_SECONDS = 10.0
"""Of one delivery."""
STOP_SECONDS = 15.0
"""Longer than the time-out of a delivery under way."""

__all__ = ["LaneWork", "Relay", "WaitBudget"]

log = structlog.get_logger()


class Relay:
    """Delivers until it is stopped, or until nothing is left to deliver."""

    def __init__(
        self,
        outbox: Outbox,
        lanes: Sequence[LaneWork],
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
        """What has ended a lane, if anything has."""
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

        What was waited for elsewhere since `stop` counts: a stop has one bound, not two.
        Once `hurry` is set they are not waited for: what was sent and not marked is sent again.
        """
        self.stop()
        abandoned = self._threads.join(self._stop_by, hurry)
        if abandoned:
            self._stop_by = float("inf")  # who finishes it again, at the end, waits again
            log.warning("relay.abandoned", threads=abandoned, hint=LEFT_BEHIND)
        return not abandoned

    def deliver_for(
        self, seconds: float, stop: threading.Event, hurry: threading.Event | None = None
    ) -> None:
        """Deliver the outbox for at most `seconds`, or until `stop` is set.

        The last delivery begins so early that its time-out ends in time.
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
