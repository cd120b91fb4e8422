"""Settles a claim in the outbox by the outcome of its delivery, and logs it."""

from collections.abc import Callable, Iterable, Sequence

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
from worker.core.rate_limit import RateLimit
from worker.store.claims import LOST, STRANGE, Claim
from worker.store.outbox import Outbox

_HINT = "ses-worker outbox list"
_FIX = (
    "fix it, reload after a changed setting, restart after a changed credential; "
    "parked effects are then retried automatically"
)

log = structlog.get_logger()


class LaneSender(Struct, frozen=True, kw_only=True):
    """What the relay needs of a lane: its rate limit, and its sender."""

    lane: Lane
    rate_limit: RateLimit
    deliver: Callable[[Sequence[Effect]], tuple[Delivery, Sequence[OutboxEntry]]]
    """Returns the delivery, and the entries that follow from it; raises `Stopped` if a stop came
    first."""
    parked: Callable[[Sequence[Effect], str], Iterable[OutboxEntry]]
    """Entries to enqueue when effects are parked."""


class ClaimSettler:
    """Settles the claims of a lane."""

    def __init__(self, work: LaneSender, outbox: Outbox) -> None:
        self._work = work
        self._outbox = outbox
        self._logged_block = False

    def settle(self, claim: Claim, delivery: Delivery, follow_ups: Sequence[OutboxEntry]) -> None:
        """Write the outcome of a delivery into the outbox."""
        first, was_blocked = claim.effects[0], False
        entry_log = log.bind(
            lane=claim.lane,
            outbox_id=first.id,
            kind=first.kind.value,
            effects=len(claim.effects),
            attempt=first.attempts,
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
                entry_log.error("effect.parked", error=error, hint=_HINT)
            case Later(error=error, seconds=seconds):
                last = self._outbox.postponed(claim, error, seconds, self._work.parked)
                entry_log.warning("effect.postponed", error=error)
                if last:
                    entry_log.error("effect.parked", error=error, parked=last, hint=_HINT)
            case Blocked(error=error):
                is_new = self._outbox.blocked(claim, error, follow_ups)
                if is_new or not self._logged_block:  # each process has a log of its own
                    entry_log.error("lane.blocked", error=error, hint=_FIX)
                self._logged_block = True
        if was_blocked:
            entry_log.info("lane.unblocked")

    def report_parked(self, claim: Claim) -> Sequence[OutboxEntry]:
        """Log effects that were parked without a try; return the entries that follow."""
        for row in claim.strange:
            log.error("effect.parked", outbox_id=row, error=STRANGE, hint=_HINT)
        if not claim.lost:
            return ()
        ids = [effect.id for effect in claim.lost]
        log.error("effect.parked", outbox_id=ids[0], error=LOST, parked=len(ids), hint=_HINT)
        return list(self._work.parked(claim.lost, LOST))
