"""Claiming effects: which are due, how many may go out, and the lease on them."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import (
    Connection,
    Select,
    func,
    literal,
    select,
    update,
)

from worker.core.effects import URGENT, Effect, Lane, Summary
from worker.core.payloads import EffectKind
from worker.core.rate_limit import (
    LARGEST_DIGEST,
    LONGEST_PAUSE_SECONDS,
    SECONDS_BETWEEN_PROBES,
    Level,
    RateLimit,
    most_claimable,
    next_slot,
    refilled,
    taken,
    taken_urgently,
    urgent_slot,
)
from worker.store import levels
from worker.store.parking import (
    NOT_PARKED,
    ParkedReason,
    free_parked_elsewhere,
    park_lane,
    parked_as,
    parked_with,
)
from worker.store.schema import OPEN, outbox

MOST_TRIES = 30
"""Tries per effect; with the pauses between them they take about a day."""
LOST = "each process that claimed it ended before it settled it"
STRANGE = "not an entry that this program can read"
_URGENT = sorted(kind.value for kind in URGENT)
SKIPPED_SECONDS = 0.05
"""Pause before looking again for rows that another process holds."""
_FACTS = [
    outbox.c[name]
    for name in (
        "id", "attempts", "created_at", "feedback_id", "ses_message_id", "recipient",
    )
]  # fmt: skip


class Claim(Struct, frozen=True, kw_only=True):
    """Effects that this process delivers until the lease ends, or how long there are none."""

    token: str = ""
    lane: Lane
    rate_limit: RateLimit
    effects: tuple[Effect, ...] = ()
    wait_seconds: float | None = None
    """Without effects: seconds until an effect may be due; None: no effect waits."""
    limited: bool = False
    """Effects are due, and the rate limit allows none yet."""
    lost: tuple[Effect, ...] = ()
    """Parked by this claim: claimed too often by processes that ended before they settled."""
    strange: tuple[int, ...] = ()
    """Ids of rows parked by this claim: this program cannot read them."""
    blocked: str | None = None
    """The configuration error that blocks the lane, found by any process."""
    failing: bool = False
    """The last delivery failed, in any process."""

    @property
    def found_nothing(self) -> bool:
        """The lane is empty, and has no problem."""
        unfinished = self.effects or self.lost or self.strange or self.wait_seconds is not None
        return not (unfinished or self.blocked or self.failing)


def claim(connection: Connection, lane: Lane, rate_limit: RateLimit) -> Claim:
    """Claim what may go out now: a single effect, many for a digest, or none."""
    now = levels.moment(connection)
    level = levels.lock(connection, rate_limit, now)
    claimed = _claim_by(connection, lane, rate_limit, level, now)
    return replace(claimed, blocked=level.blocked, failing=level.failures > 0)


def _claim_by(
    connection: Connection, lane: Lane, rate_limit: RateLimit, level: Level, now: datetime
) -> Claim:
    if level.blocked is not None:
        return _claim_to_probe(connection, lane, rate_limit, level, now)
    free_parked_elsewhere(connection, lane, rate_limit, now)
    _correct_due_dates(connection, lane, now)
    return _claim(connection, lane, rate_limit, refilled(level, rate_limit, now), now)


def _claim(
    connection: Connection, lane: Lane, rate_limit: RateLimit, level: Level, now: datetime
) -> Claim:
    nothing = Claim(lane=lane, rate_limit=rate_limit)
    soonest = _soonest(connection, lane)
    if soonest is None or soonest > now:
        wait = None if soonest is None else (soonest - now).total_seconds()
        return replace(nothing, wait_seconds=wait)
    waits: list[float] = []
    if urgent := _urgent(connection, lane, now):
        slot = urgent_slot(level, rate_limit, now)
        if slot.take:
            levels.keep(connection, rate_limit, taken_urgently(level, rate_limit, now))
            return _lease(connection, lane, rate_limit, urgent, now)
        waits.append(slot.seconds)
    due = _count_due(connection, lane, now, most_claimable(level, rate_limit))
    slot = next_slot(level, rate_limit, due, now)
    ids = _due(connection, lane, now, slot.take) if slot.take else []
    if not ids:  # the rate limit allows none yet, or other processes hold the rows
        if due:
            waits.append(SKIPPED_SECONDS if slot.take else slot.seconds)
        wait = min(waits, default=SKIPPED_SECONDS)
        return replace(nothing, wait_seconds=wait, limited=True)
    levels.keep(connection, rate_limit, taken(level, rate_limit, slot, now))
    return _lease(connection, lane, rate_limit, ids, now)


def _urgent(connection: Connection, lane: Lane, now: datetime) -> list[int]:
    """Find the first due effect that goes before all others, where there is such an effect.

    It is the first of all by its `due_at`. Only after a failed try it is somewhere in between, and
    as many rows are looked through as a digest takes.
    """
    first = select(outbox.c.id, outbox.c.kind, outbox.c.due_at)
    first = first.where(OPEN, outbox.c.lane == lane, outbox.c.due_at <= now)
    some = first.order_by(outbox.c.due_at, outbox.c.id).limit(LARGEST_DIGEST).subquery()
    query = select(some.c.id).where(some.c.kind.in_(_URGENT))
    found = connection.execute(query.order_by(some.c.due_at, some.c.id).limit(1)).scalar()
    if found is None:
        return []
    row = select(outbox.c.id).where(outbox.c.id == found).with_for_update(skip_locked=True)
    return list(connection.execute(row).scalars())


def _correct_due_dates(connection: Connection, lane: Lane, now: datetime) -> None:
    """Make effects due that wait beyond the longest pause: a clock was ahead, and set back."""
    latest = now + timedelta(seconds=LONGEST_PAUSE_SECONDS)
    rows = update(outbox).where(OPEN, outbox.c.lane == lane, outbox.c.due_at > latest)
    connection.execute(rows.values(due_at=now))


def _claim_to_probe(
    connection: Connection, lane: Lane, rate_limit: RateLimit, level: Level, now: datetime
) -> Claim:
    """Claim an effect of a blocked lane periodically, to probe whether the lane works again.

    It may have been parked by a former destination: the settings were changed, and changed back.
    """
    if level.next_at <= now:
        free_parked_elsewhere(connection, lane, rate_limit, now)
    park_lane(connection, lane, rate_limit, level.blocked or "", now)
    wait = (level.next_at - now).total_seconds()
    if 0 < wait <= LONGEST_PAUSE_SECONDS:
        return Claim(lane=lane, rate_limit=rate_limit, wait_seconds=wait, limited=True)
    oldest = select(outbox.c.id).where(parked_with(lane, rate_limit)).order_by(outbox.c.id).limit(1)
    ids = list(connection.execute(oldest).scalars())
    if not ids:
        return Claim(lane=lane, rate_limit=rate_limit)
    probe_at = now + timedelta(seconds=SECONDS_BETWEEN_PROBES)
    levels.keep(connection, rate_limit, replace(level, next_at=probe_at))
    return _lease(connection, lane, rate_limit, ids, now)


def _lease(
    connection: Connection, lane: Lane, rate_limit: RateLimit, ids: Sequence[int], now: datetime
) -> Claim:
    token = uuid.uuid4().hex
    lease_until = now + timedelta(seconds=rate_limit.lease_seconds)
    lease = {"state": "claimed", "claim": token, "due_at": lease_until}
    rows = update(outbox).where(outbox.c.id.in_(ids))
    connection.execute(rows.values(**lease, attempts=outbox.c.attempts + 1, **NOT_PARKED))
    # Thousands of payloads would be megabytes; a digest needs only the summaries.
    payload = outbox.c.payload if len(ids) == 1 else literal("").label("payload")
    query = select(*_FACTS, outbox.c.kind, outbox.c.summary, payload)
    rows_claimed = connection.execute(query.where(outbox.c.claim == token).order_by(outbox.c.id))
    names = tuple(rows_claimed.keys())
    effects, lost, strange = [], [], []
    for values in rows_claimed:  # thousands; `mappings` would find the names for each anew
        row = dict(zip(names, values, strict=True))
        if (effect := _effect(row)) is None:
            _park_effect(connection, row["id"], ParkedReason.UNDELIVERABLE, STRANGE, now)
            strange.append(row["id"])
        elif effect.attempts > MOST_TRIES:
            _park_effect(connection, effect.id, ParkedReason.TRIES, LOST, now)
            lost.append(effect)
        else:
            effects.append(effect)
    return Claim(
        token=token,
        lane=lane,
        rate_limit=rate_limit,
        effects=tuple(effects),
        wait_seconds=None if effects else 0.0,
        lost=tuple(lost),
        strange=tuple(strange),
    )


def _park_effect(
    connection: Connection, row_id: int, reason: ParkedReason, error: str, now: datetime
) -> None:
    row = update(outbox).where(outbox.c.id == row_id)
    connection.execute(row.values(**parked_as(reason, error, now)))


def _effect(row: Mapping[str, Any]) -> Effect | None:
    """Read a row; None where a program that knew more kinds wrote it."""
    try:
        kind, summary = EffectKind(row["kind"]), msgspec.json.decode(row["summary"], type=Summary)
    except ValueError:
        return None
    return Effect(**{**row, "kind": kind, "summary": summary})


def _count_due(connection: Connection, lane: Lane, now: datetime, most: int) -> int:
    """Count due effects, up to `most`."""
    some = _due_rows(lane, now).limit(most).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def _due(connection: Connection, lane: Lane, now: datetime, most: int) -> list[int]:
    ordered = _due_rows(lane, now).order_by(outbox.c.due_at, outbox.c.id).limit(most)
    return list(connection.execute(ordered.with_for_update(skip_locked=True)).scalars())


def _due_rows(lane: Lane, now: datetime) -> Select[int]:
    """Select the due effects that are not urgent."""
    due = select(outbox.c.id).where(OPEN, outbox.c.lane == lane, outbox.c.due_at <= now)
    return due.where(outbox.c.kind.not_in(_URGENT))


def _soonest(connection: Connection, lane: Lane) -> datetime | None:
    query = select(func.min(outbox.c.due_at)).where(OPEN, outbox.c.lane == lane)
    soonest: datetime | None = connection.execute(query).scalar_one()
    return soonest
