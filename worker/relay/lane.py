"""One lane of the relay: claim, deliver, settle, again and again."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import ParamSpec, TypeVar

import structlog
from msgspec import Struct

from worker.core.effects import (
    Blocked,
    Delivery,
    Effect,
    Lane,
    Later,
    NotYet,
    OutboxEntry,
    Sent,
    Unfit,
)
from worker.core.errors import Raced, Stopped, Unavailable
from worker.core.ports import WRITE_SECONDS
from worker.core.rate_limit import RateLimit
from worker.observability.health import Health
from worker.relay.idle_tracker import IdleTracker
from worker.relay.wait_budget import WaitBudget
from worker.store.claims import LOST, STRANGE, Claim
from worker.store.outbox import Outbox
from worker.timing.deadlines import within
from worker.timing.retries import back_off, until_leased_out

LONGEST_LOOK_SECONDS = 5.0
"""Between two looks at the outbox: effects of other processes are found no later."""
HURRIED_LOOK_SECONDS = 0.2
"""Where somebody waits for the end."""

MARK_SECONDS = WRITE_SECONDS + 10.0
"""More than claiming an effect takes, or marking it, with the store slow."""
PAUSE_SECONDS = 20.0
"""More than a delivery pauses for between two calls, or waits for a SQLite file that is busy."""
GRACE_SECONDS = 5.0
"""For the store to come back after a stop, so that nothing is sent twice."""

_FIX = (
    "fix it, reload after a changed setting, restart after a changed credential; "
    "parked effects are then retried automatically"
)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

log = structlog.get_logger()


def longest_delivery(rate_limit: RateLimit) -> float:
    """Return how many seconds a delivery takes at most: it has until its lease ends.

    A pause that was begun by then, and a statement, come to that.
    """
    return rate_limit.lease_seconds + PAUSE_SECONDS


class LaneWork(Struct, frozen=True, kw_only=True):
    """A lane: its rate limit, and its sender."""

    lane: Lane
    rate_limit: RateLimit
    deliver: Callable[[Sequence[Effect]], tuple[Delivery, Sequence[OutboxEntry]]]
    """Returns the delivery, and the entries that follow from it; raises `Stopped` when a stop came
    first."""
    parked: Callable[[Sequence[Effect], str], Iterable[OutboxEntry]]
    """Entries to enqueue when effects are parked."""


class LaneWorker:
    """Works for a single lane until the stop."""

    def __init__(
        self,
        work: LaneWork,
        outbox: Outbox,
        idle_tracker: IdleTracker,
        wait_budget: WaitBudget,
        health: Health,
    ) -> None:
        self.name = f"relay-{work.lane}"
        self.wake = threading.Event()
        self._work = work
        self._outbox = outbox
        self._idle_tracker = idle_tracker
        self._wait_budget = wait_budget
        self._health = health
        self._pulse = health.pulse(self.name)
        self._outbox_problem, self._far_side = f"outbox of {work.lane}", f"lane {work.lane}"
        self.limited = False
        """Entries wait for the rate limit: new entries do not change that."""
        self._is_done = False
        """The lane was empty and had no problem at the last look."""
        self._failures = 0
        self._logged_block = False
        self._again = until_leased_out(self._pause, work.rate_limit.lease_seconds)
        self._grace = GRACE_SECONDS

    def run(self) -> None:
        """Deliver until the stop; wait for an unavailable store."""
        try:
            self._run()
        finally:
            self._pulse.rest()
            self._resolve(self._outbox_problem)
            self._resolve(self._far_side)

    def _run(self) -> None:
        first = True
        while not self._wait_budget.over.is_set():
            self.wake.clear()
            try:
                if first:
                    self._mark(self._outbox.look_again, self._work.rate_limit)
                    first = False
                seconds = self._run_once()
                self._failures = 0
                self._resolve(self._outbox_problem)
            except Stopped:
                return
            except (Unavailable, Raced) as error:
                self._failures += 1
                seconds = back_off(self._failures)
                log.warning("outbox.unavailable", lane=self._work.lane.value, error=str(error))
                self._report_problem(self._outbox_problem, error)
                self.limited = True
            self._pulse.rest()
            if seconds > 0:
                (self._wait_budget.over if self.limited else self.wake).wait(seconds)

    def _report_problem(self, what: str, error: object) -> None:
        if self._health.has(self._pulse):
            self._health.report_problem(what, error)

    def _resolve(self, what: str) -> None:
        # A lane replaced by a reload may end late: the problems are those of the new lane by then.
        if self._health.has(self._pulse):
            self._health.resolve(what)

    def _mark(
        self,
        call: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Have the outbox do something, within its time."""
        self._pulse.within(MARK_SECONDS)
        with within(WRITE_SECONDS):
            return call(*arguments, **named)

    def _pause(self, seconds: float) -> None:
        """Wait for the store, a few seconds even after a stop: what was sent is not marked."""
        self._pulse.within(seconds + MARK_SECONDS)
        if not self._wait_budget.over.wait(seconds):
            return
        if self._grace <= 0:
            raise Stopped
        pause = min(seconds, self._grace)
        self._grace -= max(pause, 0.05)
        time.sleep(pause)

    def _run_once(self) -> float:
        """Deliver what may go out now; return how long to wait before looking again."""
        began = time.monotonic()
        if self._is_done and not self._mark(self._outbox.has_unfinished, self._work.lane):
            self.limited = False
            return self._rest(None, began)
        claim = self._mark(self._outbox.claim, self._work.lane, self._work.rate_limit)
        self.limited, self._is_done = claim.limited, claim.found_nothing
        self._learn(claim)
        self._log_given_up(claim)
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
        self._pulse.within(longest_delivery(self._work.rate_limit))
        try:
            with within(self._work.rate_limit.lease_seconds):
                return self._work.deliver(effects)
        except (Stopped, Unavailable, Raced):
            raise
        except Exception as error:
            # A bug that a single effect triggers: the others are delivered all the same.
            log.exception("effect.failed", lane=self._work.lane.value, outbox_id=effects[0].id)
            return Unfit(error=f"{type(error).__name__} while it was delivered"), ()

    def _learn(self, claim: Claim) -> None:
        """Report or resolve the lane's problem, whichever process met it."""
        if claim.blocked:
            self._report_problem(self._far_side, claim.blocked)
        elif not claim.failing:
            self._resolve(self._far_side)

    def _log_given_up(self, claim: Claim) -> None:
        """Log effects that were parked without a try."""
        hint = "ses-worker outbox list"
        for row in claim.strange:
            log.error("effect.parked", outbox_id=row, error=STRANGE, hint=hint)
        if claim.lost:
            ids = [effect.id for effect in claim.lost]
            log.error("effect.parked", outbox_id=ids[0], error=LOST, parked=len(ids), hint=hint)
            entries = list(self._work.parked(claim.lost, LOST))
            self._again(self._mark, self._outbox.enqueue, entries)

    def _rest(self, seconds: float | None, began: float) -> float:
        if seconds is None or not self._wait_budget.lasts(seconds):
            self._idle_tracker.nothing_to_do(self.name, began)
        longest = HURRIED_LOOK_SECONDS if self._wait_budget.limited else LONGEST_LOOK_SECONDS
        return longest if seconds is None else min(max(seconds, 0.01), longest)

    def _settle(self, claim: Claim, delivery: Delivery, follow_ups: Sequence[OutboxEntry]) -> None:
        was_blocked = False
        entry_log = log.bind(
            lane=claim.lane.value,
            outbox_id=claim.effects[0].id,
            kind=claim.effects[0].kind.value,
            effects=len(claim.effects),
            attempt=claim.effects[0].attempts,
        )
        match delivery:
            case Sent(result=result):
                was_blocked = self._outbox.delivered(claim, result, follow_ups)
                entry_log.info("effect.delivered", result=result)
            case NotYet(error=error, seconds=seconds):
                was_blocked = self._outbox.not_yet(claim, error, seconds, self._work.parked)
                entry_log.info("effect.postponed", error=error, seconds=round(seconds))
            case Unfit(error=error):
                parked = list(self._work.parked(claim.effects, error))
                self._outbox.parked(claim, error, [*follow_ups, *parked])
                entry_log.error("effect.parked", error=error, hint="ses-worker outbox list")
            case Later(error=error, seconds=seconds):
                last = self._outbox.postponed(claim, error, seconds, self._work.parked)
                entry_log.warning("effect.postponed", error=error)
                if last:
                    entry_log.error(
                        "effect.parked", error=error, parked=last, hint="ses-worker outbox list"
                    )
            case Blocked(error=error):
                news = self._outbox.blocked(claim, error, follow_ups)
                if news or not self._logged_block:  # each process has a log of its own
                    entry_log.error("lane.blocked", error=error, hint=_FIX)
                self._logged_block = True
        if isinstance(delivery, Later | Blocked):
            self._report_problem(self._far_side, delivery.error)
        if was_blocked:
            entry_log.info("lane.unblocked")
        self._idle_tracker.settled(len(claim.effects) if isinstance(delivery, Sent) else 0)
