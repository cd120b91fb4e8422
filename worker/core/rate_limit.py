"""The rate limit: how many due effects may go out now, separately or in a digest. Pure."""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from worker.core.effects import Lane

SECONDS_BETWEEN_DIGESTS = 60.0
LARGEST_DIGEST = 5_000
"""Effects per digest: claiming so many blocks a SQLite file's writers for some 0.1 s."""
LONGEST_PAUSE_SECONDS = 3_660.0
"""No service requests more than an hour; a longer pause comes from a clock that was set back."""
SECONDS_BETWEEN_PROBES = 300.0
"""Seconds between probes of a blocked lane."""


class RateLimit(Struct, frozen=True, kw_only=True):
    """The rate limit of a destination, shared by all processes."""

    name: str
    """`limits.name`: `LANE:DESTINATION`, such as `suppression:eu-west-1`."""
    per_second: float = 1.0
    per_minute: float | None = None
    """Above it effects are folded into digests; None: no digests."""
    lease_seconds: float = 60.0
    """Time limit of a delivery; longer than all its time-outs together."""


def lane_of(name: str) -> Lane:
    """Return the lane in a rate limit's name."""
    return Lane(name.partition(":")[0])


class Level(Struct, frozen=True, kw_only=True):
    """The state of a rate limit; a row of `limits`."""

    next_at: datetime
    """When the next effect may go out."""
    next_slot: datetime
    """When the next request may go out, where an effect takes several requests."""
    tokens: float
    """Effects that may still go out separately this minute; negative after urgent effects."""
    refilled_at: datetime
    folded_at: datetime | None = None
    """When the last digest went out."""
    failures: int = 0
    """Failed deliveries in a row."""
    blocked: str | None = None
    """The configuration error that blocks the lane."""


class Slot(Struct, frozen=True):
    """How many due effects to claim now; 0: look again after `seconds`."""

    take: int
    seconds: float = 0.0


def capacity(rate_limit: RateLimit) -> float:
    """How many effects may go out separately at once, and again a minute later."""
    return 0.0 if rate_limit.per_minute is None else singles(rate_limit.per_minute)


def singles(per_minute: float) -> float:
    """How many effects may go out separately at once: half of the minute's budget, less a digest.

    So no sixty seconds exceed the budget. If more are due at once, all go into a digest.
    """
    return (per_minute - 1) / 2


def first_level(rate_limit: RateLimit, now: datetime) -> Level:
    """The level of an unused rate limit."""
    return Level(next_at=now, next_slot=now, tokens=capacity(rate_limit), refilled_at=now)


def refilled(level: Level, rate_limit: RateLimit, now: datetime) -> Level:
    """The level at a later time: its tokens are full again after a minute."""
    if rate_limit.per_minute is None:
        return level
    passed = max(0.0, (now - level.refilled_at).total_seconds())
    tokens = min(capacity(rate_limit), level.tokens + passed * capacity(rate_limit) / 60)
    return replace(level, tokens=tokens, refilled_at=now)


def most_claimable(level: Level, rate_limit: RateLimit) -> int:
    """How many due effects must be counted to decide the next slot."""
    if rate_limit.per_minute is None or level.failures or level.blocked:
        return 1
    return int(max(0.0, level.tokens)) + 1


def next_slot(level: Level, rate_limit: RateLimit, due: int, now: datetime) -> Slot:
    """Decide how much may go out now: a single effect, all due effects in a digest, or none yet.

    `due` is counted up to `most_claimable`. After a failure a single effect probes the service.
    """
    if (pause := _pause(level, now)) > 0:
        return Slot(0, pause)
    if not due:
        return Slot(0)
    if due < most_claimable(level, rate_limit) or rate_limit.per_minute is None or _in_doubt(level):
        return Slot(1)
    # abs: the clock may have been set back, and the last digest may seem to lie far in the future.
    folded_ago = abs((now - level.folded_at).total_seconds()) if level.folded_at else float("inf")
    if folded_ago >= SECONDS_BETWEEN_DIGESTS:
        return Slot(LARGEST_DIGEST)
    until_digest = SECONDS_BETWEEN_DIGESTS - folded_ago
    refill = capacity(rate_limit) / 60
    until_token = (due - level.tokens) / refill if refill else until_digest
    return Slot(0, min(until_digest, max(until_token, 0.05)))


def urgent_slot(level: Level, rate_limit: RateLimit, now: datetime) -> Slot:
    """Decide whether an urgent effect may go out now: before all others, and always by itself.

    It borrows from the minutes to come if this minute's budget is spent, up to a minute's budget:
    sixty seconds hold at most twice the budget, however many are urgent.
    """
    if (pause := _pause(level, now)) > 0:
        return Slot(0, pause)
    lacking = _least_tokens(rate_limit) - (level.tokens - 1)
    if rate_limit.per_minute is None or lacking <= 0 or _in_doubt(level):
        return Slot(1)
    refill = capacity(rate_limit) / 60
    return Slot(0, max(lacking / refill, 0.05) if refill else SECONDS_BETWEEN_DIGESTS)


def taken_urgently(level: Level, rate_limit: RateLimit, now: datetime) -> Level:
    """The level once an urgent effect has been taken."""
    tokens = max(_least_tokens(rate_limit), level.tokens - 1)
    return replace(level, next_at=_next_at(rate_limit, now), tokens=tokens)


def _least_tokens(rate_limit: RateLimit) -> float:
    return -(rate_limit.per_minute or 0.0)


def taken(level: Level, rate_limit: RateLimit, took: Slot, now: datetime) -> Level:
    """The level once a slot is taken; a digest counts as one delivery, whatever its size."""
    next_at = _next_at(rate_limit, now)
    if took.take > 1:
        return replace(level, next_at=next_at, tokens=min(0.0, level.tokens), folded_at=now)
    return replace(level, next_at=next_at, tokens=max(min(0.0, level.tokens), level.tokens - 1))


def _next_at(rate_limit: RateLimit, now: datetime) -> datetime:
    return now + timedelta(seconds=1 / rate_limit.per_second)


def _pause(level: Level, now: datetime) -> float:
    """The seconds until the lane may deliver again; 0: it may."""
    pause = (level.next_at - now).total_seconds()
    # A longer pause comes from a clock that was set back.
    return pause if 0 < pause <= LONGEST_PAUSE_SECONDS else 0.0


def _in_doubt(level: Level) -> bool:
    return bool(level.failures or level.blocked)
