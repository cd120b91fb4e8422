"""How many of the effects that are due may go out now, one by one or folded into one. Pure."""

from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

SECONDS_BETWEEN_DIGESTS = 60.0
LARGEST_DIGEST = 5_000
"""Effects in one digest: to claim them takes a SQLite file's writers some 0.1 s."""
LONGEST_PAUSE_SECONDS = 3_660.0
"""Nobody asks us to wait for more than an hour; a clock that was set back may seem to."""
SECONDS_BETWEEN_PROBES = 300.0
"""Of a lane that an operator must mend."""


class Volume(Struct, frozen=True, kw_only=True):
    """What a far side takes, of all processes together."""

    name: str
    """Of the row in `limits`: a channel, an account."""
    per_second: float = 1.0
    per_minute: float | None = None
    """Above it effects are folded into digests; None: nothing is ever folded."""
    lease_seconds: float = 60.0
    """A delivery has so long, and is broken off then; longer than all of its time-outs together."""


class Level(Struct, frozen=True, kw_only=True):
    """Where a far side stands; a row of `limits`."""

    next_at: datetime
    """No effect goes out before."""
    next_slot: datetime
    """No single request goes out before, where an effect takes several."""
    tokens: float
    """Single effects that may still go out this minute."""
    refilled_at: datetime
    folded_at: datetime | None = None
    """When the last digest went out."""
    failures: int = 0
    """In a row."""
    blocked: str | None = None
    """What an operator must mend."""


class Turn(Struct, frozen=True):
    """How many of the due effects to take now; 0: look again after `seconds`."""

    take: int
    seconds: float = 0.0


def capacity(volume: Volume) -> float:
    """Single effects that may go out at once, and again a minute later."""
    return 0.0 if volume.per_minute is None else singles(volume.per_minute)


def singles(per_minute: float) -> float:
    """Half of the minute's budget, less a digest: so no sixty seconds hold more than the budget.

    Of more that are owed at once, all are folded.
    """
    return (per_minute - 1) / 2


def first_level(volume: Volume, now: datetime) -> Level:
    """A far side that nobody has asked for anything yet."""
    return Level(next_at=now, next_slot=now, tokens=capacity(volume), refilled_at=now)


def refilled(level: Level, volume: Volume, now: datetime) -> Level:
    """The level at a later moment: a minute fills it."""
    if volume.per_minute is None:
        return level
    passed = max(0.0, (now - level.refilled_at).total_seconds())
    tokens = min(capacity(volume), level.tokens + passed * capacity(volume) / 60)
    return replace(level, tokens=tokens, refilled_at=now)


def most_wanted(level: Level, volume: Volume) -> int:
    """How many due effects one has to know of to say whose turn it is."""
    if volume.per_minute is None or level.failures or level.blocked:
        return 1
    return int(level.tokens) + 1


def turn(level: Level, volume: Volume, due: int, now: datetime) -> Turn:
    """Decide: one, all of them folded, or none yet.

    `due` is counted up to `most_wanted`. After a failure a single effect finds out whether the far
    side is back.
    """
    pause = (level.next_at - now).total_seconds()
    if 0 < pause <= LONGEST_PAUSE_SECONDS:
        return Turn(0, pause)
    if not due:
        return Turn(0)
    if due < most_wanted(level, volume) or volume.per_minute is None or _in_doubt(level):
        return Turn(1)
    # abs: a digest long ahead of a clock that was set back says nothing about the last minute.
    folded_ago = abs((now - level.folded_at).total_seconds()) if level.folded_at else float("inf")
    if folded_ago >= SECONDS_BETWEEN_DIGESTS:
        return Turn(LARGEST_DIGEST)
    until_digest = SECONDS_BETWEEN_DIGESTS - folded_ago
    refill = capacity(volume) / 60
    until_token = (due - level.tokens) / refill if refill else until_digest
    return Turn(0, min(until_digest, max(until_token, 0.05)))


def taken(level: Level, volume: Volume, took: Turn, now: datetime) -> Level:
    """The level once a turn is taken; a digest is one, however little there was to fold."""
    next_at = now + timedelta(seconds=1 / volume.per_second)
    if took.take > 1:
        return replace(level, next_at=next_at, tokens=0.0, folded_at=now)
    return replace(level, next_at=next_at, tokens=max(0.0, level.tokens - 1))


def _in_doubt(level: Level) -> bool:
    return bool(level.failures or level.blocked)
