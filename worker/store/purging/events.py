"""Purges old events: keeps their keys, and of users the record with which a fold then begins.

A bite is planned while nothing is locked, and written in a short transaction, which makes sure that
what it was planned for is still true.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from secrets import token_hex
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import asdict, replace
from sqlalchemy import Connection, bindparam, delete, insert, text

from worker.core.folding import FirstRecord, Fold, Person, Recorded
from worker.core.keys import kept_key
from worker.core.model import Kind, User
from worker.core.parsing import as_time
from worker.core.policy import Policy
from worker.core.purged import mark_of
from worker.core.retention import LATE, Fate, Judge, required
from worker.store import Store
from worker.store.purging.biting import (
    Bite,
    Faster,
    Pace,
    delete_rows,
    keep_keys,
    keep_progress,
    note_purged_until,
    read_progress,
)
from worker.store.purging.needed import (
    Addresses,
    keys_in_quarantine,
    refused_lately,
    with_events_up_to,
)
from worker.store.recorded import events_of, first_records_of, newest_event, records_of
from worker.store.rows import FEEDBACK_COLUMNS, RECORDED_COLUMNS, read_recorded
from worker.store.schema import Moment, imported_users

_MARGIN = timedelta(days=1)
"""Events from before the column `claimed_at` may have a time so long after their receipt."""
_FOR_EVER = 2**31 - 1
_THE_BEGINNING = datetime(1970, 1, 1).date()  # noqa: DTZ001 a date has no zone
_TRIES = 3
_TURN = "purge_turn"
"""Of the row in `progress` that each bite changes whose events go because others stay."""
_MOST_LOOKED_AT = 1_000
"""Events of an address, by which it is decided whether an old one is still needed."""
_COLUMNS = len(Recorded.__struct_fields__)
_PAGE = f"""
    SELECT {RECORDED_COLUMNS}, dedupe_key, route_key, claimed_at FROM events
    WHERE id > :after AND id <= :upto ORDER BY id LIMIT :limit
"""
# The sum keeps PostgreSQL from reading all events, from the last to the first, until one is old.
_LAST_OLD = "SELECT coalesce(max(id + 0), 0) FROM events WHERE occurred_at < :cutoff"
_COUNTS = """
    SELECT recipient, count(*) FROM events JOIN (
        SELECT value ->> 0 AS key, CAST(value ->> 1 AS bigint) AS last
        FROM json_array_elements(CAST(:these AS json))
    ) AS planned ON recipient = key AND id <= last
    GROUP BY recipient
"""
_KINDS = frozenset(kind.value for kind in Kind)
_BLANK = Policy()


class Row(Struct, frozen=True):
    """An event on record, with its keys."""

    event: Recorded
    keys: tuple[str, ...]
    """Shortened; none where nothing is ever looked for by them."""
    is_old: bool


class Planned(Struct, frozen=True, kw_only=True):
    """What a bite removes, and what was true when it was planned."""

    rows: Sequence[Row]
    seen: int
    """Events that were looked at."""
    last: int
    """The id of the last of them."""
    users: dict[str, User]
    before: dict[str, FirstRecord]
    first: dict[str, FirstRecord]
    """The records with which folds of users then begin."""
    counts: dict[str, tuple[int, int]]
    """By user: up to which id events are a part of that record, and how many there are."""
    as_they_are: frozenset[str]
    """Users whose present record is that record."""
    relying: frozenset[int] = frozenset()
    """Events that go because others of the address stay."""
    turn: str | None = None
    """Of the last bite that removed such events."""


class Limits(Struct, frozen=True, kw_only=True):
    """What is old."""

    cutoff: datetime
    now: datetime
    keys: timedelta | None


class EventsPurge:
    """A sweep over the events, in the order of their ids."""

    def __init__(self, store: Store, policy: Policy, limits: Limits, *, after: int = 0) -> None:
        self._store = store
        self._policy = policy
        self._limits = limits
        self._after = after
        self._judge = Judge(policy, limits.now)
        self.upto = 0
        """The last id that may be old."""
        self.kept = 0
        """Old events that stay, because they still serve."""
        self._refused = self._earlier = Addresses()
        self._needed: frozenset[str] = frozenset()
        self._gone: set[int] = set()
        """What plans that are not written have removed, as far as others rely on it."""

    def begin(self) -> None:
        """Look up once what is the same for all bites."""
        with self._store.reading() as connection:
            query = text(_LAST_OLD).bindparams(
                bindparam("cutoff", self._limits.cutoff, type_=Moment())
            )
            # SQLite would give the id of the newest event to the next, if the newest went; first
            # records would take that for an event of theirs (`imported_users.after_event`).
            newest = newest_event(connection)
            self.upto = max(0, min(int(connection.execute(query).scalar_one()), newest - 1))
            self._needed = keys_in_quarantine(connection)
            since = self._limits.now - min(self._judge.longest_pause, timedelta(days=36_500))
            self._refused = refused_lately(connection, since)
            self._earlier = with_events_up_to(connection, self._after)

    def bites(self, pace: Pace) -> Iterator[Bite]:
        """Remove, some at a time.

        Raises:
            Unavailable: the store cannot be used now; what is done stays.
            Faster: another process purges.

        """
        while self._after < self.upto:
            planned = self._bite(pace)
            yield Bite(
                table="events",
                rows=len(planned.rows),
                looked_at=planned.seen,
                held_seconds=pace.held if planned.rows else 0.0,
            )
            self._pass(planned)

    def planned(self, rows: int) -> Iterator[Planned]:
        """Plan all bites, and write none."""
        while self._after < self.upto:
            planned = self._plan(rows, careful=False)
            self._gone |= planned.relying
            yield planned
            self._pass(planned)

    def _bite(self, pace: Pace) -> Planned:
        for attempt in range(_TRIES):
            planned = self._plan(pace.rows, careful=attempt > 0)
            if not planned.rows:
                return planned
            try:
                with pace.bite(self._store) as connection:
                    self._write(connection, planned)
            except Faster:
                if attempt + 1 == _TRIES:
                    raise
            else:
                return planned
        raise AssertionError("unreachable")

    def _pass(self, planned: Planned) -> None:
        self._after = planned.last

    def _plan(self, limit: int, *, careful: bool) -> Planned:
        values = {"after": self._after, "upto": self.upto, "limit": limit}
        with self._store.reading() as connection:
            turn = read_progress(connection, _TURN)
            found = [self._row(row) for row in connection.execute(text(_PAGE), values)]
            if not found:
                return Planned(
                    rows=(), seen=0, last=self.upto, users={}, before={}, first={}, counts={},
                    as_they_are=frozenset(),
                )  # fmt: skip
            goes, relying = self._going(connection, found)
            staying = {row.event.recipient for row in found if row.event.id not in goes}
            planned = self._beginnings(connection, found, goes, careful=careful)
            planned = replace(planned, relying=relying, turn=turn)
        for key in staying:
            self._earlier.add(key)
        self.kept += sum(row.is_old and row.event.id not in goes for row in found)
        return planned

    def _row(self, row: Sequence[Any]) -> Row:
        event = read_recorded(row[:_COLUMNS])
        dedupe, route, claimed = row[_COLUMNS:]
        claimed_at = as_time(claimed)
        limits = self._limits
        is_old = event.received_at < limits.cutoff and (
            claimed_at is None
            or claimed_at < limits.cutoff
            or (limits.keys is not None and event.received_at < limits.now - limits.keys)
        )
        keys = tuple({kept_key(dedupe), kept_key(route)}) if event.kind in _KINDS else ()
        return Row(event, keys, is_old)

    def _going(
        self, connection: Connection, found: Sequence[Row]
    ) -> tuple[set[int], frozenset[int]]:
        """Return the ids of the events that go, and which of them because others stay."""
        goes: dict[str, set[int]] = {}
        asked: set[str] = set()
        for row in found:
            event = row.event
            if not row.is_old or not self._needed.isdisjoint(row.keys):
                continue
            if event.recipient:
                refused = event.recipient in self._refused
                fate = self._judge.fate(event, is_refused_lately=refused)
                if fate is Fate.STAYS:
                    continue
                if fate is Fate.ASK:
                    asked.add(event.recipient)
            goes.setdefault(event.recipient, set()).add(event.id)
        if asked:
            by_key = _by_key(events_of(connection, sorted(asked)))
            for key in asked:
                found_here = [each for each in by_key.get(key, []) if each.id not in self._gone]
                events = _newest(found_here, goes[key])
                goes[key] -= required(events, goes[key], self._policy, self._limits.now)
        relying = frozenset(id_ for key in asked for id_ in goes[key])
        return {id_ for ids in goes.values() for id_ in ids}, relying

    def _beginnings(
        self, connection: Connection, found: Sequence[Row], goes: set[int], *, careful: bool
    ) -> Planned:
        """Compute with which record the fold of each user begins when these events are gone."""
        of_people: dict[str, list[Recorded]] = {}
        for row in found:
            if row.event.recipient:
                of_people.setdefault(row.event.recipient, []).append(row.event)
        keys = {event.recipient for row in found if (event := row.event).id in goes} - {""}
        users = records_of(connection, keys, lock=False)
        before = first_records_of(connection, users)
        first: dict[str, FirstRecord] = {}
        counts: dict[str, tuple[int, int]] = {}
        as_they_are: set[str] = set()
        more = {key for key in users if careful or key in self._earlier or self._policy.needs_past}
        all_of = _by_key(events_of(connection, sorted(more))) if more else {}
        newest = newest_event(connection)
        for key, user in users.items():
            last = max(event.id for event in of_people[key] if event.id in goes)
            events = all_of.get(key, of_people[key]) if key in more else of_people[key]
            upto = [event for event in events if event.id <= last]
            counts[key] = last, len(upto)
            known = before.get(key)
            if known and known.after_event >= last:
                continue
            person = Person(key, user, known)
            fold = _folded(person, upto, self._policy)
            begun = FirstRecord(fold.user, last)
            if self._is_unsure(person, user, (known, begun), events, goes):
                as_they_are.add(key)
                begun = FirstRecord(user, newest)
            first[key] = begun
        return Planned(
            rows=[row for row in found if row.event.id in goes],
            seen=len(found),
            last=found[-1].event.id,
            users=users,
            before=before,
            first=first,
            counts=counts,
            as_they_are=frozenset(as_they_are),
        )

    def _is_unsure(
        self,
        person: Person,
        user: User,
        beginnings: tuple[FirstRecord | None, FirstRecord],
        events: Sequence[Recorded],
        goes: set[int],
    ) -> bool:
        """Return whether a fold from the new beginning might give another record."""
        known, begun = beginnings
        if person.lacks_fault and self._policy.spare_faults != _BLANK.spare_faults:
            return True  # a rebuild leaves such a user alone
        if not self._policy.needs_past:
            return False  # a fold of a part, and then of the rest, is a fold of all
        whole = Person(user.email_key, user, known)
        wanted = whole.finished(_folded(whole, events, self._policy).user)
        later = Person(user.email_key, user, begun)
        left = [event for event in events if event.id not in goes]
        return later.finished(_folded(later, left, self._policy).user) != wanted

    def _write(self, connection: Connection, planned: Planned) -> None:
        """Write a bite.

        Raises:
            Faster: what it was planned for is no longer true.

        """
        if planned.relying:
            # Another purge may have removed the events on which these rely.
            if read_progress(connection, _TURN) != planned.turn:
                raise Faster
            keep_progress(connection, _TURN, token_hex(8))
        keys = {row.event.recipient for row in planned.rows} - {""}
        # This locks the users: nobody else adds an event of theirs, or makes a stranger a user.
        users = records_of(connection, keys, lock=True)
        changed = users.keys() ^ planned.users.keys()
        changed |= {key for key in planned.as_they_are if users.get(key) != planned.users[key]}
        if changed or _after(first_records_of(connection, users)) != _after(planned.before):
            raise Faster
        if connection.dialect.name == "postgresql" and planned.counts:
            _require_counts(connection, planned.counts)
        until = max(self._limits.cutoff, *(row.event.occurred_at for row in planned.rows))
        note_purged_until(connection, mark_of(until + _MARGIN))
        kept = [(key, self._until(row.event)) for row in planned.rows for key in row.keys]
        keep_keys(connection, kept)
        _begin_anew(connection, planned.first)
        ids = [row.event.id for row in planned.rows]
        if delete_rows(connection, "events", ids) != len(ids):
            raise Faster

    def _until(self, event: Recorded) -> int:
        if self._limits.keys is None:
            return _FOR_EVER
        received = day_of(event.received_at) + self._limits.keys.days + 1
        return min(_FOR_EVER, max(received, day_of(self._limits.now) + LATE.days))


def day_of(moment: datetime) -> int:
    """Return the day of a time in UTC, counted from 1970-01-01."""
    return (moment.date() - _THE_BEGINNING).days


def _folded(person: Person, events: Iterable[Recorded], policy: Policy) -> Fold:
    fold = Fold(person.start, policy)
    for event in events:
        if person.takes(event):
            fold.add(event)
        else:
            fold.remember(event)
    return fold


def _by_key(events: Iterable[Recorded]) -> dict[str, list[Recorded]]:
    found: dict[str, list[Recorded]] = {}
    for event in sorted(events, key=attrgetter("id")):
        found.setdefault(event.recipient, []).append(event)
    return found


def _newest(events: Sequence[Recorded], old: set[int]) -> Sequence[Recorded]:
    """Return the newest events of an address, and the old ones that are asked about."""
    if len(events) <= _MOST_LOOKED_AT:
        return events
    return [*(e for e in events[:-_MOST_LOOKED_AT] if e.id in old), *events[-_MOST_LOOKED_AT:]]


def _after(first: dict[str, FirstRecord]) -> dict[str, int]:
    return {key: record.after_event for key, record in first.items()}


def _require_counts(connection: Connection, counts: dict[str, tuple[int, int]]) -> None:
    """Make sure that no event was committed late, with a smaller id than those after it."""
    these = msgspec.json.encode([(key, last) for key, (last, _) in counts.items()]).decode()
    rows = connection.execute(text(_COUNTS), {"these": these})
    found: dict[str, int] = {key: count for key, count in rows}  # noqa: C416
    if found != {key: count for key, (_, count) in counts.items()}:
        raise Faster


def _begin_anew(connection: Connection, first: dict[str, FirstRecord]) -> None:
    if not first:
        return
    gone = delete(imported_users).where(imported_users.c.email_key == bindparam("key"))
    connection.execute(gone, [{"key": key} for key in first])
    rows = []
    for key, begun in first.items():
        record = asdict(begun.record)
        values = {name: record[name] for name in FEEDBACK_COLUMNS}
        rows.append({"email_key": key, "after_event": begun.after_event, **values})
    connection.execute(insert(imported_users), rows)
