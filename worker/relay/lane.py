"""One lane of the relay: claim, deliver, settle, again and again."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import ParamSpec, TypeVar

import structlog
from msgspec import Struct

from worker.books import WRITE_SECONDS
from worker.deadlines import within
from worker.effects import Blocked, Delivery, Effect, Lane, Later, NotYet, Owed, Sent, Unfit
from worker.errors import Raced, Stopped, Unavailable
from worker.health import Health
from worker.relay.patience import Patience
from worker.relay.standing import Standing
from worker.retries import back_off, until_leased_out
from worker.store.claims import LOST, STRANGE, Claim
from worker.store.outbox import Outbox
from worker.volume import Volume

LONGEST_LOOK_SECONDS = 5.0
"""Between two looks at the outbox: effects of other processes are found no later."""
HURRIED_LOOK_SECONDS = 0.2
"""Where somebody waits for the end."""

MARK_SECONDS = WRITE_SECONDS + 10.0
"""More than claiming an effect takes, or marking it, with the books slow."""
PAUSE_SECONDS = 20.0
"""More than a delivery pauses for between two calls, or waits for a SQLite file that is busy."""
GRACE_SECONDS = 5.0
"""For the books to come back once it is over, so that nothing is sent twice."""

_MEND = (
    "mend it, reload where a setting changed, restart where a credential did; "
    "what is parked is tried again by itself"
)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

log = structlog.get_logger()


def longest_delivery(volume: Volume) -> float:
    """Tell how many seconds a delivery takes at most: it has until its lease ends.

    A pause that was begun by then, and a statement, come to that.
    """
    return volume.lease_seconds + PAUSE_SECONDS


class LaneWork(Struct, frozen=True, kw_only=True):
    """A far side, what it takes, and who delivers to it."""

    lane: Lane
    volume: Volume
    deliver: Callable[[Sequence[Effect]], tuple[Delivery, Sequence[Owed]]]
    """Returns what became of it, and what is owed because of that; raises `Stopped` when it is
    over before it could."""
    parked: Callable[[Sequence[Effect], str], Iterable[Owed]]
    """What is owed when effects are parked."""


class LaneWorker:
    """Works for one lane until it is over."""

    def __init__(
        self,
        work: LaneWork,
        outbox: Outbox,
        standing: Standing,
        patience: Patience,
        health: Health,
    ) -> None:
        self.name = f"relay-{work.lane}"
        self.wake = threading.Event()
        self._work = work
        self._outbox = outbox
        self._standing = standing
        self._patience = patience
        self._health = health
        self._pulse = health.pulse(self.name)
        self._books, self._far_side = f"outbox of {work.lane}", f"lane {work.lane}"
        self.limited = False
        """There is something to do and it may not be done yet: nothing new can change that."""
        self._is_done = False
        """At the last look nothing was owed, and the far side was well."""
        self._troubles = 0
        self._told_of_block = False
        self._again = until_leased_out(self._pause, work.volume.lease_seconds)
        self._grace = GRACE_SECONDS

    def run(self) -> None:
        """Deliver until it is over; an outage of the books is waited for."""
        try:
            self._run()
        finally:
            self._pulse.rest()
            self._well(self._books)
            self._well(self._far_side)

    def _run(self) -> None:
        first = True
        while not self._patience.over.is_set():
            self.wake.clear()
            try:
                if first:
                    self._mark(self._outbox.look_again, self._work.volume)
                    first = False
                seconds = self._take_a_turn()
                self._troubles = 0
                self._well(self._books)
            except Stopped:
                return
            except (Unavailable, Raced) as error:
                self._troubles += 1
                seconds = back_off(self._troubles)
                log.warning("outbox.unavailable", lane=self._work.lane.value, error=str(error))
                self._trouble(self._books, error)
                self.limited = True
            self._pulse.rest()
            if seconds > 0:
                (self._patience.over if self.limited else self.wake).wait(seconds)

    def _trouble(self, what: str, error: object) -> None:
        if self._health.has(self._pulse):
            self._health.trouble(what, error)

    def _well(self, what: str) -> None:
        # A lane that a reload has replaced may end late: what is said by then is another's.
        if self._health.has(self._pulse):
            self._health.well(what)

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
        """Wait for the books, a few seconds even when it is over: what was sent is not marked."""
        self._pulse.within(seconds + MARK_SECONDS)
        if not self._patience.over.wait(seconds):
            return
        if self._grace <= 0:
            raise Stopped
        pause = min(seconds, self._grace)
        self._grace -= max(pause, 0.05)
        time.sleep(pause)

    def _take_a_turn(self) -> float:
        """Deliver what may go out now; return how long to wait before looking again."""
        began = time.monotonic()
        if self._is_done and not self._mark(self._outbox.has_unfinished, self._work.lane):
            self.limited = False
            return self._rest(None, began)
        claim = self._mark(self._outbox.claim, self._work.lane, self._work.volume)
        self.limited, self._is_done = claim.limited, claim.found_nothing
        self._learn(claim)
        self._tell_given_up(claim)
        if not claim.effects:
            return self._rest(claim.wait_seconds, began)
        try:
            delivery, owes = self._deliver(claim.effects)
        except Stopped:
            self._again(self._mark, self._outbox.given_back, claim)
            return 0
        self._again(self._mark, self._settle, claim, delivery, owes)
        return 0

    def _deliver(self, effects: Sequence[Effect]) -> tuple[Delivery, Sequence[Owed]]:
        self._pulse.within(longest_delivery(self._work.volume))
        try:
            with within(self._work.volume.lease_seconds):
                return self._work.deliver(effects)
        except (Stopped, Unavailable, Raced):
            raise
        except Exception as error:
            # A bug of ours met by one effect: the others are delivered all the same.
            log.exception("effect.failed", lane=self._work.lane.value, outbox_id=effects[0].id)
            return Unfit(error=f"{type(error).__name__} while it was delivered"), ()

    def _learn(self, claim: Claim) -> None:
        """Have the far side's trouble be known, or over, whichever process met it."""
        if claim.blocked:
            self._trouble(self._far_side, claim.blocked)
        elif not claim.failing:
            self._well(self._far_side)

    def _tell_given_up(self, claim: Claim) -> None:
        """Say what was parked without a try: nobody else will."""
        hint = "ses-worker outbox list"
        for row in claim.strange:
            log.error("effect.parked", outbox_id=row, error=STRANGE, hint=hint)
        if claim.lost:
            ids = [effect.id for effect in claim.lost]
            log.error("effect.parked", outbox_id=ids[0], error=LOST, parked=len(ids), hint=hint)
            owed = list(self._work.parked(claim.lost, LOST))
            self._again(self._mark, self._outbox.owe, owed)

    def _rest(self, seconds: float | None, began: float) -> float:
        if seconds is None or not self._patience.lasts(seconds):
            self._standing.nothing_to_do(self.name, began)
        longest = HURRIED_LOOK_SECONDS if self._patience.limited else LONGEST_LOOK_SECONDS
        return longest if seconds is None else min(max(seconds, 0.01), longest)

    def _settle(self, claim: Claim, delivery: Delivery, owes: Sequence[Owed]) -> None:
        mended = False
        told = log.bind(
            lane=claim.lane.value,
            outbox_id=claim.effects[0].id,
            kind=claim.effects[0].kind.value,
            effects=len(claim.effects),
            attempt=claim.effects[0].attempts,
        )
        match delivery:
            case Sent(result=result):
                mended = self._outbox.delivered(claim, result, owes)
                told.info("effect.delivered", result=result)
            case NotYet(error=error, seconds=seconds):
                mended = self._outbox.not_yet(claim, error, seconds, self._work.parked)
                told.info("effect.postponed", error=error, seconds=round(seconds))
            case Unfit(error=error):
                parked = list(self._work.parked(claim.effects, error))
                self._outbox.parked(claim, error, [*owes, *parked])
                told.error("effect.parked", error=error, hint="ses-worker outbox list")
            case Later(error=error, seconds=seconds):
                last = self._outbox.postponed(claim, error, seconds, self._work.parked)
                told.warning("effect.postponed", error=error)
                if last:
                    told.error(
                        "effect.parked", error=error, parked=last, hint="ses-worker outbox list"
                    )
            case Blocked(error=error):
                news = self._outbox.blocked(claim, error, owes)
                if news or not self._told_of_block:  # each process has a log of its own
                    told.error("lane.blocked", error=error, hint=_MEND)
                self._told_of_block = True
        if isinstance(delivery, Later | Blocked):
            self._trouble(self._far_side, delivery.error)
        if mended:
            told.info("lane.unblocked")
        self._standing.settled(len(claim.effects) if isinstance(delivery, Sent) else 0)
