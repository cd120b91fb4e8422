"""Parks effects, and frees them: why, by which rate limit, and until when."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, and_, or_, update

from worker.core.effects import Lane
from worker.core.rate_limit import RateLimit
from worker.store.schema import OPEN, PARKED, outbox

NOT_PARKED: dict[str, object] = {"parked_by": None, "parked_reason": None}


class ParkedReason(StrEnum):
    """Why an effect is parked; `outbox.parked_reason`."""

    UNDELIVERABLE = "undeliverable"
    """It can never be delivered as it is."""
    TRIES = "tries"
    """It has used up its tries."""
    BLOCKED = "blocked"
    """Its lane is blocked; `outbox.parked_by` names the rate limit."""


def freed(now: datetime) -> dict[str, object]:
    """The columns of a parked row when it is due again."""
    return {"state": "waiting", "due_at": now, "finished_at": None} | NOT_PARKED


def parked_as(
    reason: ParkedReason, error: str, now: datetime, *, by: str | None = None
) -> dict[str, object]:
    """The columns of a row when it is parked; `by` is the rate limit of a blocked lane."""
    return {
        "state": "parked",
        "parked_reason": reason.value,
        "parked_by": by,
        "last_error": error,
        "finished_at": now,
        "claim": None,
    }


def parked_with(lane: Lane, rate_limit: RateLimit) -> ColumnElement[bool]:
    """Select the rows that are parked because this destination is blocked."""
    return and_(PARKED, outbox.c.lane == lane, outbox.c.parked_by == rate_limit.name)


def park_lane(
    connection: Connection, lane: Lane, rate_limit: RateLimit, error: str, now: datetime
) -> None:
    """Park what waits; effects under delivery are left to their claimant."""
    idle = or_(outbox.c.state == "waiting", outbox.c.due_at <= now)
    rows = update(outbox).where(OPEN, outbox.c.lane == lane, idle)
    parked = parked_as(ParkedReason.BLOCKED, error, now, by=rate_limit.name)
    connection.execute(rows.values(**parked))


def free_parked_elsewhere(
    connection: Connection, lane: Lane, rate_limit: RateLimit, now: datetime
) -> None:
    """Free what was parked while this lane's former destination was blocked."""
    is_blocked = outbox.c.parked_reason == ParkedReason.BLOCKED.value
    elsewhere = and_(is_blocked, outbox.c.parked_by != rate_limit.name)
    rows = update(outbox).where(PARKED, outbox.c.lane == lane, elsewhere)
    connection.execute(rows.values(**freed(now)))
