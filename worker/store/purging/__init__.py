"""Purges what is older than the settings keep it, in small bites, while messages go on.

The tables themselves show what remains to be done, so the next purge goes on where a killed purge
ended. Nothing goes that was not announced, if that is more than a purge usually finds.
"""

from collections import Counter
from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, CursorResult, bindparam, text

from worker.core.parsing import as_time
from worker.core.policy import Policy
from worker.core.retention import ANNOUNCED_FOR, Announced, Retention, announced
from worker.store import Store, levels
from worker.store.needs import and_delete
from worker.store.purge_state import RETENTION, State, read_state
from worker.store.purging.biting import Bite, Faster, Throttle, quick_switches, require_room_in
from worker.store.purging.events import EventsPurge
from worker.store.purging.limits import Limits
from worker.store.purging.others import OutboxPurge, purge_keys, purge_removals
from worker.store.purging.statements import keep_progress
from worker.store.schema import Moment

__all__ = ["Bite", "Faster", "Purge", "Target", "Throttle", "moment_of"]

NEEDS = and_delete("events", "outbox", "removals", "kept_keys")
"""What a purge does."""
WHOLE_SWEEP = timedelta(days=7)
"""How often what stayed, because it still served, is looked at again."""
_OLDER_EVENTS = """
    SELECT count(*) AS older, min(occurred_at) AS oldest FROM events
    WHERE occurred_at < :cutoff AND received_at < :cutoff
"""
_HAS_MESSAGE = "payload LIKE '%\"message\":%'"
"""Within a text of the payload the quotation marks would have backslashes before them."""
_ANY_OLDER = {
    "events": (
        "SELECT 1 FROM events WHERE occurred_at < :cutoff AND received_at < :cutoff LIMIT 1"
    ),
    "messages": (
        "SELECT 1 FROM outbox WHERE state IN ('delivered', 'discarded')"
        f" AND finished_at < :cutoff AND {_HAS_MESSAGE} LIMIT 1"
    ),
}
_OLDER_MESSAGES = f"""
    SELECT count(*) AS older, min(finished_at) AS oldest FROM outbox
    WHERE state IN ('delivered', 'discarded') AND finished_at < :cutoff AND {_HAS_MESSAGE}
"""


class Target(Struct, frozen=True, kw_only=True):
    """What is beyond a limit."""

    cutoff: datetime
    rows: int
    oldest: datetime | None
    allowed: datetime | None
    """Up to when it may go now; None: it is only announced."""
    until: datetime | None
    """The end of the announcement."""


class Purge:
    """A purge as of now."""

    def __init__(
        self,
        store: Store,
        retention: Retention,
        policy: Policy,
        now: datetime,
        *,
        removals_kept: timedelta = timedelta(days=30),
    ) -> None:
        """`removals_kept`: so long the suppression policy looks at former removals."""
        self._store = store
        self._retention = retention
        self._policy = policy
        self._now = now
        self._removals_kept = removals_kept
        self.state = State()
        self.removed = Counter[str]()
        self.throttle = Throttle()
        self._events: EventsPurge | None = None
        self._outbox = OutboxPurge(store, messages=None, effects=None)
        self._is_whole = True

    def announce(self, *, at_once: bool = False, keeps: bool = True) -> None:
        """Find out how far this purge may go; begin an announcement if it is much.

        Raises:
            Unavailable: the store cannot be used now.

        """
        self.state = read_state(self._store)
        found = {
            name: self._permitted(name, period, at_once=at_once)
            for name, period in (
                ("events", self._retention.events),
                ("messages", self._retention.messages),
            )
        }
        new = replace(self.state, **found)
        if new != self.state and keeps:
            self._keep(new)
        self.state = new

    def _permitted(self, name: str, period: timedelta | None, *, at_once: bool) -> Announced:
        before: Announced = getattr(self.state, name)
        if period is None:
            return Announced(through=before.through)
        cutoff = self._now - period
        if at_once:
            return Announced(through=cutoff)
        with self._store.read_transaction() as connection:
            has_older = _with_cutoff(connection, _ANY_OLDER[name], cutoff).first() is not None
        return announced(before, cutoff, self._now, has_older=has_older)

    @property
    def is_announcing(self) -> bool:
        """Whether something is only announced now."""
        return bool(self.state.events.since or self.state.messages.since)

    def begins(self, name: str) -> bool:
        """Return whether the announcement of events or of messages begins with this purge."""
        state: Announced = getattr(self.state, name)
        return state.since == self._now

    def targets(self) -> dict[str, Target]:
        """Count what is beyond the limits of events and of messages.

        Raises:
            Unavailable: the store cannot be read now.

        """
        queries = {"events": _OLDER_EVENTS, "messages": _OLDER_MESSAGES}
        found: dict[str, Target] = {}
        for name, query in queries.items():
            period: timedelta | None = getattr(self._retention, name)
            if period is None:
                continue
            state: Announced = getattr(self.state, name)
            cutoff = self._now - period
            with self._store.read_transaction() as connection:
                row = _with_cutoff(connection, query, cutoff).mappings().one()
            found[name] = Target(
                cutoff=cutoff,
                rows=int(row["older"]),
                oldest=as_time(row["oldest"]),
                allowed=self._allowed(state, period),
                until=state.since + ANNOUNCED_FOR if state.since else None,
            )
        return found

    def _allowed(self, state: Announced, period: timedelta | None) -> datetime | None:
        if period is None or state.through is None:
            return None
        return min(state.through, self._now - period)

    def bites(self) -> Generator[Bite, None, None]:
        """Remove all that may go; yield after each transaction.

        Raises:
            Unavailable: the store cannot be used now; what is done stays.
            Faster: another process purges.

        """
        with quick_switches():
            for bite in self._all(dry_run=False):
                self.removed[bite.table] += bite.rows
                yield bite
            self._finish()

    def dry_run(self) -> Iterator[Bite]:
        """Yield what a purge would remove, and change nothing."""
        yield from self._all(dry_run=True)

    def _all(self, *, dry_run: bool) -> Iterator[Bite]:
        events = self._allowed(self.state.events, self._retention.events)
        messages = self._allowed(self.state.messages, self._retention.messages)
        self._is_whole = self._needs_whole()
        self._outbox = OutboxPurge(
            self._store,
            messages=messages,
            effects=events,
            after=0 if self._is_whole else self.state.outbox_after,
        )
        parts: list[Iterator[Bite]] = []
        if (now := self._now_for_keys()) is not None:
            parts.append(purge_keys(self._store, self.throttle, now, dry_run=dry_run))
        if events is not None:  # before the outbox, which keeps the effects of these
            oldest = min(events, self._now - self._removals_kept)
            parts.append(purge_removals(self._store, self.throttle, oldest, dry_run=dry_run))
        parts.append(self._outbox.bites(self.throttle, dry_run=dry_run))
        if events is not None:
            parts.append(self._of_events(events, dry_run=dry_run))
        return chain.from_iterable(parts)

    def _now_for_keys(self) -> datetime | None:
        """Return the time by which keys go; None: none goes yet.

        While a clock is far ahead, it is the time before, until the events that the clock makes
        old were announced.
        """
        period, through = self._retention.events, self.state.events.through
        if period is None:
            return self._now
        return None if through is None else min(self._now, through + period)

    def _of_events(self, cutoff: datetime, *, dry_run: bool) -> Iterator[Bite]:
        limits = Limits(cutoff=cutoff, now=self._now, keys=self._retention.keys)
        after = 0 if self._is_whole else self.state.events_after
        purge = self._events = EventsPurge(self._store, self._policy, limits, after=after)
        purge.begin()
        yield from purge.dry_run() if dry_run else purge.bites(self.throttle)

    @property
    def kept(self) -> int:
        """Old events that stay, because they still serve."""
        return self._events.kept if self._events else 0

    def _needs_whole(self) -> bool:
        at = self.state.whole_at
        return at is None or not timedelta(0) <= self._now - at < WHOLE_SWEEP

    def _finish(self) -> None:
        before = read_state(self._store)
        removed = Counter(before.removed) + self.removed
        self._keep(
            replace(
                before,
                events_after=self._events.upto if self._events else before.events_after,
                outbox_after=self._outbox.after,
                whole_at=self._now if self._is_whole else before.whole_at,
                finished_at=self._now,
                removed=dict(removed),
            )
        )

    def _keep(self, state: State) -> None:
        require_room_in(self._store)
        with self._store.write_transaction() as connection:
            keep_progress(connection, RETENTION, msgspec.json.encode(state).decode())
        self.state = state


def _with_cutoff(connection: Connection, query: str, cutoff: datetime) -> CursorResult[Any]:
    return connection.execute(text(query).bindparams(bindparam("cutoff", cutoff, type_=Moment())))


def moment_of(store: Store) -> datetime:
    """Return the time by the clock of the database.

    Raises:
        Unavailable: the store cannot be read now.

    """
    with store.read_transaction() as connection:
        return levels.moment(connection)
