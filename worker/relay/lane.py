"""A lane of the relay: claim, deliver, settle, repeat."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import structlog

from worker.core.effects import Blocked, Delivery, Effect, Later, OutboxEntry, Sent, Unfit
from worker.core.errors import Raced, Stopped, Unavailable
from worker.core.ports import WRITE_SECONDS
from worker.core.rate_limit import RateLimit
from worker.observability.health import Health
from worker.relay.idle_tracker import IdleTracker
from worker.relay.lane_health import LaneHealth
from worker.relay.settling import ClaimSettler, LaneSender
from worker.relay.wait_budget import WaitBudget
from worker.store.claims import Claim
from worker.store.outbox import Outbox
from worker.timing.deadlines import within
from worker.timing.retries import back_off, until_leased_out

LONGEST_LOOK_SECONDS = 5.0
"""Seconds between two looks at the outbox: effects of other processes are found no later."""
HURRIED_LOOK_SECONDS = 0.2
"""The same where a command waits for the lanes to be empty."""

MARK_SECONDS = WRITE_SECONDS + 10.0
"""Time limit for claiming or settling effects, with a slow store."""
PAUSE_SECONDS = 20.0
"""More than a delivery's longest pause between two calls, or its wait for a busy SQLite file."""
GRACE_SECONDS = 5.0
"""After a stop: time for the store to come back, so that nothing is sent twice."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

log = structlog.get_logger()


def longest_delivery(rate_limit: RateLimit) -> float:
    """Return the longest duration of a delivery: its lease, and a last pause or statement."""
    return rate_limit.lease_seconds + PAUSE_SECONDS


class LaneWorker:
    """Works for a single lane until the stop."""

    def __init__(
        self,
        work: LaneSender,
        outbox: Outbox,
        idle_tracker: IdleTracker,
        wait_budget: WaitBudget,
        health: Health,
    ) -> None:
        self.name = f"relay-{work.lane}"
        self.wake = threading.Event()
        self._work = work
        self._outbox = outbox
        self._settler = ClaimSettler(work, outbox)
        self._idle_tracker = idle_tracker
        self._wait_budget = wait_budget
        self._health = LaneHealth(health, work.lane)
        self.limited = False
        """Entries wait for the rate limit: new entries do not change that."""
        self._is_done = False
        """The lane was empty and had no problem at the last look."""
        self._failures = 0
        self._again = until_leased_out(self._pause, work.rate_limit.lease_seconds)
        self._grace = GRACE_SECONDS

    def run(self) -> None:
        """Deliver until the stop; wait for an unavailable store."""
        try:
            self._run()
        finally:
            self._health.end()

    def _run(self) -> None:
        first = True
        while not self._wait_budget.over.is_set():
            self.wake.clear()
            try:
                if first:
                    self._mark(self._outbox.look_again, self._work.rate_limit)
                    first = False
                seconds = self._run_once()
                self._store_works()
            except Stopped:
                return
            except (Unavailable, Raced) as error:
                self._failures += 1
                seconds = back_off(self._failures)
                log.warning("outbox.unavailable", lane=self._work.lane, error=str(error))
                self._health.store_failed(error)
                self.limited = True
            self._health.rest()
            if seconds > 0:
                (self._wait_budget.over if self.limited else self.wake).wait(seconds)

    def _store_works(self) -> None:
        if self._failures:
            self._failures = 0
            log.info("outbox.available", lane=self._work.lane)
        self._health.store_works()

    def _mark(
        self,
        call: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Call the outbox, within its time limit."""
        self._health.expect_within(MARK_SECONDS)
        with within(WRITE_SECONDS):
            return call(*arguments, **named)

    def _pause(self, seconds: float) -> None:
        """Wait for the store; a few seconds even after a stop: a delivery is not settled yet."""
        self._health.expect_within(seconds + MARK_SECONDS)
        if not self._wait_budget.over.wait(seconds):
            return
        if self._grace <= 0:
            raise Stopped
        pause = min(seconds, self._grace)
        self._grace -= max(pause, 0.05)
        time.sleep(pause)

    def _run_once(self) -> float:
        """Deliver what may go out now; return the seconds to wait before the next look."""
        began = time.monotonic()
        if self._is_done and not self._mark(self._outbox.has_unfinished, self._work.lane):
            self.limited = False
            return self._rest(None, began)
        claim = self._mark(self._outbox.claim, self._work.lane, self._work.rate_limit)
        self.limited, self._is_done = claim.limited, claim.found_nothing
        self._learn(claim)
        if entries := self._settler.report_parked(claim):
            self._again(self._mark, self._outbox.enqueue, entries)
        if not claim.effects:
            return self._rest(claim.wait_seconds, began)
        try:
            delivery, follow_ups = self._deliver(claim.effects)
        except Stopped:
            self._again(self._mark, self._outbox.given_back, claim)
            return 0
        self._again(self._mark, self._settle, claim, delivery, follow_ups)
        return 0

    def _deliver(self, effects: Sequence[Effect]) -> tuple[Delivery, Sequence[OutboxEntry]]:
        self._health.expect_within(longest_delivery(self._work.rate_limit))
        try:
            with within(self._work.rate_limit.lease_seconds):
                return self._work.deliver(effects)
        except (Stopped, Unavailable, Raced):
            raise
        except Exception as error:
            # A bug that this effect triggers: the other effects are delivered all the same.
            log.exception("effect.failed", lane=self._work.lane, outbox_id=effects[0].id)
            return Unfit(error=f"{type(error).__name__} while it was delivered"), ()

    def _settle(self, claim: Claim, delivery: Delivery, follow_ups: Sequence[OutboxEntry]) -> None:
        self._settler.settle(claim, delivery, follow_ups)
        if isinstance(delivery, Later | Blocked):
            self._health.destination_failed(delivery.error)
        self._idle_tracker.settled(len(claim.effects) if isinstance(delivery, Sent) else 0)

    def _learn(self, claim: Claim) -> None:
        """Report or resolve the lane's problem, whichever process met it."""
        if claim.blocked:
            self._health.destination_failed(claim.blocked)
        elif not claim.failing:
            self._health.destination_works()

    def _rest(self, seconds: float | None, began: float) -> float:
        if seconds is None or not self._wait_budget.lasts(seconds):
            self._idle_tracker.nothing_to_do(self.name, began)
        longest = HURRIED_LOOK_SECONDS if self._wait_budget.limited else LONGEST_LOOK_SECONDS
        return longest if seconds is None else min(max(seconds, 0.01), longest)
