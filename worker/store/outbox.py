"""The outbox as the relay uses it: claim with a lease, then settle; shared by all processes.

A claim locks the rate limit's row of `limits`, so no two claims are made at once. Claimed effects
are delivered outside of any transaction. If a claim is not settled before its lease ends, any
process may claim its effects again.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy import Connection, Update, insert, update

from worker.core.effects import Effect, Lane, OutboxEntry
from worker.core.rate_limit import SECONDS_BETWEEN_PROBES, RateLimit
from worker.store import Store, levels
from worker.store.claims import MOST_TRIES, Claim, claim
from worker.store.parking import ParkedReason, freed, park_lane, parked_as, parked_with
from worker.store.rows import OUTBOX_COLUMNS, outbox_row
from worker.store.schema import outbox
from worker.timing.retries import back_off, effect_delay

REQUESTED_TRIES = 5
"""Tries for which a requested delay is kept exactly. Then pauses grow as usual; else a Slack that
answers `Retry-After: 1` for half a minute would use up all tries."""

Parked = Callable[[Sequence[Effect], str], Iterable[OutboxEntry]]
"""Entries to enqueue when effects are parked."""


class Outbox:
    """Each method is a transaction, and raises `Unavailable` if the store is unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def claim(self, lane: Lane, rate_limit: RateLimit) -> Claim:
        """Claim what may go out now: a single effect, many for a digest, or none."""
        with self._store.write_transaction() as connection:
            return claim(connection, lane, rate_limit)

    def has_unfinished(self, lane: Lane) -> bool:
        """Return whether there may be something to claim; writes nothing, and costs little."""
        return self._store.has_unfinished(lane)

    def delivered(
        self, claim: Claim, result: str = "", follow_ups: Iterable[OutboxEntry] = ()
    ) -> bool:
        """Settle: delivered, perhaps with follow-up entries.

        Returns whether the lane was blocked until now.
        """
        with self._store.write_transaction() as connection:
            now = levels.moment(connection)
            done = {"state": "delivered", "finished_at": now, "result": result or None}
            ours = connection.execute(_of(claim).values(**done, claim=None, last_error=None))
            if ours.rowcount:  # else the lease has ended, and the new claimant enqueues them
                enqueue(connection, follow_ups, now)
            return _clear_failures(connection, claim, now)

    def postponed(
        self,
        claim: Claim,
        error: str,
        seconds: float | None,
        parked: Parked,
    ) -> int:
        """Settle: the service is unavailable; the lane pauses, and these effects pause longer.

        `seconds` is the delay that the service requests. Effects that have had their last try are
        parked, and the entries of `parked` enqueued; returns how many were parked.
        """
        with self._store.write_transaction() as connection:
            now = levels.moment(connection)
            level = levels.lock(connection, claim.rate_limit, now)
            pause = back_off(level.failures + 1) if seconds is None else seconds
            # This says nothing about a blocked lane: it need not wait for its next probe.
            rests_until = now if level.blocked else level.next_at
            next_at = max(rests_until, now + timedelta(seconds=pause))
            failed_digest = len(claim.effects) > 1
            level = replace(
                level,
                failures=level.failures + 1,
                next_at=next_at,
                folded_at=None if failed_digest else level.folded_at,
            )
            levels.keep(connection, claim.rate_limit, level)
            steady = 0 if seconds is None else REQUESTED_TRIES
            return _put_off(
                connection, claim, error, now, seconds=pause, parked=parked, steady=steady
            )

    def not_yet(self, claim: Claim, error: str, seconds: float, parked: Parked) -> bool:
        """Settle: tried again after some seconds. Returns as `delivered` does."""
        with self._store.write_transaction() as connection:
            now = levels.moment(connection)
            _put_off(
                connection, claim, error, now, seconds=seconds, parked=parked, steady=MOST_TRIES
            )
            return _clear_failures(connection, claim, now)

    def given_back(self, claim: Claim) -> None:
        """Settle: not tried."""
        with self._store.write_transaction() as connection:
            _give_back(connection, claim, levels.moment(connection))

    def parked(self, claim: Claim, error: str, follow_ups: Iterable[OutboxEntry] = ()) -> None:
        """Settle: the effects can never be delivered as they are."""
        with self._store.write_transaction() as connection:
            now = levels.moment(connection)
            parked = parked_as(ParkedReason.UNDELIVERABLE, error, now)
            ours = connection.execute(_of(claim).values(**parked))
            if ours.rowcount:
                enqueue(connection, follow_ups, now)

    def blocked(self, claim: Claim, error: str, follow_ups: Iterable[OutboxEntry] = ()) -> bool:
        """Settle: an operator must act; the whole lane is parked.

        Returns whether that is new: the lane was not blocked, or for another reason. `follow_ups`
        are enqueued if it was not blocked.
        """
        with self._store.write_transaction() as connection:
            now = levels.moment(connection)
            level = levels.lock(connection, claim.rate_limit, now)
            probe_at = now + timedelta(seconds=SECONDS_BETWEEN_PROBES)
            levels.keep(
                connection, claim.rate_limit, replace(level, next_at=probe_at, blocked=error)
            )
            _give_back(connection, claim, now)
            park_lane(connection, claim.lane, claim.rate_limit, error, now)
            if level.blocked is None:
                enqueue(connection, follow_ups, now)
            return level.blocked != error

    def look_again(self, rate_limit: RateLimit) -> None:
        """Probe a blocked lane at once, after a start or on request."""
        with self._store.write_transaction() as connection:
            now = levels.moment(connection)
            level = levels.lock(connection, rate_limit, now)
            if level.blocked is not None:
                levels.keep(connection, rate_limit, replace(level, next_at=now))

    def enqueue(self, effects: Sequence[OutboxEntry]) -> None:
        """Write effects into the outbox."""
        with self._store.write_transaction() as connection:
            enqueue(connection, effects, levels.moment(connection))


def enqueue(connection: Connection, effects: Iterable[OutboxEntry], now: datetime) -> None:
    """Write effects into the outbox; due by the database's clock if this machine's is ahead."""
    rows = [dict(zip(OUTBOX_COLUMNS, outbox_row(entry), strict=True)) for entry in effects]
    if rows := [row | {"due_at": min(row["due_at"], now)} for row in rows]:
        connection.execute(insert(outbox), rows)


def _put_off(
    connection: Connection,
    claim: Claim,
    error: str,
    now: datetime,
    *,
    seconds: float,
    parked: Parked,
    steady: int,
) -> int:
    """Have the effects tried again after `seconds`, or later after more than `steady` tries.

    Effects that have had their last try are parked; returns how many.
    """
    last: list[Effect] = []
    for attempts in {effect.attempts for effect in claim.effects}:
        rows = _of(claim).where(outbox.c.attempts == attempts)
        if attempts >= MOST_TRIES:
            out_of_tries = parked_as(ParkedReason.TRIES, error, now)
            if connection.execute(rows.values(**out_of_tries)).rowcount:
                last += [effect for effect in claim.effects if effect.attempts == attempts]
        else:
            grown = effect_delay(attempts - steady) if attempts > steady else 0.0
            pause = max(seconds, grown)
            due_at = now + timedelta(seconds=pause)
            connection.execute(rows.values(**_waiting(due_at), last_error=error))
    enqueue(connection, parked(last, error) if last else (), now)
    return len(last)


def _of(claim: Claim) -> Update:
    """Select the rows that this claim still holds."""
    return update(outbox).where(outbox.c.claim == claim.token)


def _give_back(connection: Connection, claim: Claim, now: datetime) -> None:
    """Make the effects due as if they had not been tried."""
    untried = {"attempts": outbox.c.attempts - 1}
    connection.execute(_of(claim).values(**_waiting(now), **untried))


def _waiting(due_at: datetime) -> dict[str, object]:
    return {"state": "waiting", "due_at": due_at, "claim": None}


def _clear_failures(connection: Connection, claim: Claim, now: datetime) -> bool:
    """Clear blocks and pauses: the service has answered."""
    level = levels.lock(connection, claim.rate_limit, now)
    soonest = now + timedelta(seconds=1 / claim.rate_limit.per_second)
    next_at = soonest if level.blocked else max(level.next_at, soonest)
    healthy = replace(level, failures=0, blocked=None, next_at=next_at)
    levels.keep(connection, claim.rate_limit, healthy)
    if level.blocked is None:
        return False
    parked = update(outbox).where(parked_with(claim.lane, claim.rate_limit))
    connection.execute(parked.values(**freed(now)))
    return True
