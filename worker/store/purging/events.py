"""Purges old events: keeps their keys, and of users the record with which a fold then begins.

A bite is planned while nothing is locked, and written in a short transaction, which makes sure that
what it was planned for is still true.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from secrets import token_hex
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import Connection, bindparam, delete, insert, text

from worker.core.folding import FirstRecord, Fold, Person, Recorded
from worker.core.keys import kept_key
from worker.core.model import Kind, User
from worker.core.parsing import as_time
from worker.core.policy import Policy
from worker.core.purged import mark_of
from worker.core.retention import LATE, Fate, Judge, required, required_of_many
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
from worker.store.recorded import (
    ROWS_IN_A_FETCH,
    count_between,
    events_between,
    events_of,
    first_records_of,
    newest_event,
    records_of,
)
from worker.store.rows import FEEDBACK_COLUMNS, RECORDED_COLUMNS, read_recorded
from worker.store.schema import Moment, imported_users

_MARGIN = timedelta(days=1)
"""Events from before the column `claimed_at` may have a time so long after their receipt."""
_FOR_EVER = 2**31 - 1
_THE_BEGINNING = datetime(1970, 1, 1).date()  # noqa: DTZ001 a date has no zone
_TRIES = 3
_TURN = "purge_turn"
"""Of the row in `progress` that each bite changes whose events go because others stay."""
MANY = 500
"""An address with more events is judged once in a sweep, and not for each page."""
_MOST_KNOWN = 10_000
"""So many such addresses at most are remembered."""
_ROWS_OF_A_PAGE = 1_000
"""Events that are judged at a time; they go in several bites."""
_COLUMNS = len(Recorded.__struct_fields__)
_PAGE = f"""
    SELECT {RECORDED_COLUMNS}, dedupe_key, route_key, claimed_at FROM events
    WHERE id > :after AND id <= :upto ORDER BY id LIMIT :limit
"""
# The sum keeps PostgreSQL from reading all events, from the last to the first, until one is old.
_LAST_OLD = "SELECT coalesce(max(id + 0), 0) FROM events WHERE occurred_at < :cutoff"
_LEFT = "SELECT id FROM events WHERE id >= :first AND id <= :last"
_OF_ONE = f"""
    SELECT {RECORDED_COLUMNS}, dedupe_key, route_key, claimed_at FROM events_by_recipient
    WHERE recipient = :key ORDER BY id
"""
_KINDS = frozenset(kind.value for kind in Kind)
_BLANK = Policy()


class Row(Struct, frozen=True):
    """An event on record, with its keys."""

    event: Recorded
    keys: tuple[str, ...]
    """Shortened; none where nothing is ever looked for by them."""
    is_old: bool


class Page(Struct, kw_only=True):
    """Events that were judged, in the order of ids."""

    rows: Sequence[Row]
    goes: set[int]
    relying: frozenset[int]
    """Events that go because others of the address stay."""
    of_people: dict[str, list[Recorded]]
    last_of: dict[str, int]
    """By address: the last event that goes."""
    done: int = 0
    """Rows that were dealt with."""

    @property
    def kept(self) -> int:
        """How many are old, and stay."""
        return sum(row.is_old and row.event.id not in self.goes for row in self.rows)

    def some(self, most: int) -> Sequence[Row]:
        """Return the next rows, of which so many go at most."""
        left = most
        for place in range(self.done, len(self.rows)):
            left -= self.rows[place].event.id in self.goes
            if left == 0:
                return self.rows[self.done : place + 1]
        return self.rows[self.done :]


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
    spans: dict[str, tuple[int, int]]
    """By user: after which id and up to which events are folded into that record."""
    counts: dict[str, int]
    """How many these are."""
    as_they_are: frozenset[str]
    """Users whose present record is that record."""
    relies: bool
    """Whether some go because others of the address stay."""
    turn: str | None
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
        """What a dry run would have removed, as far as others rely on it."""
        self._must_stay: dict[str, frozenset[int] | None] = {}
        """What must stay of the addresses with many events; None: all."""
        self._turn: str | None = None
        """Of the last bite of any purge, by this or another process, on which that relies."""

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
        page, failed = None, 0
        while self._after < self.upto:
            page = page or self._page(_ROWS_OF_A_PAGE)
            planned = self._plan(page, page.some(pace.rows), careful=failed > 0)
            try:
                if planned.rows:
                    with pace.bite(self._store) as connection:
                        turn = self._write(connection, planned)
                    self._turn = turn
            except Faster:
                failed += 1
                if failed == _TRIES:
                    raise
                page = None
                continue
            failed = 0
            page = self._pass(page, planned)
            yield Bite(
                table="events",
                rows=len(planned.rows),
                looked_at=planned.seen,
                held_seconds=pace.held if planned.rows else 0.0,
            )

    def dry_run(self) -> Iterator[Bite]:
        """Judge all, and remove none."""
        while self._after < self.upto:
            page = self._page(_ROWS_OF_A_PAGE)
            self._gone |= page.relying
            self.kept += page.kept
            yield Bite(table="events", rows=len(page.goes), looked_at=len(page.rows))
            self._after = page.rows[-1].event.id if page.rows else self.upto

    def _pass(self, page: Page, planned: Planned) -> Page | None:
        """Go on after a bite; return the page unless it is done."""
        done = page.rows[page.done : page.done + planned.seen]
        for row in done:
            if row.event.id not in page.goes:
                self._earlier.add(row.event.recipient)
                self.kept += row.is_old
        self._after = planned.last
        page.done += planned.seen
        return page if page.done < len(page.rows) else None

    def _page(self, limit: int) -> Page:
        values = {"after": self._after, "upto": self.upto, "limit": limit}
        with self._store.reading() as connection:
            turn = read_progress(connection, _TURN)
            if turn != self._turn:  # another purge may have removed what was relied on
                self._must_stay.clear()
                self._turn = turn
            rows = [self._row(row) for row in connection.execute(text(_PAGE), values)]
            goes, relying = self._going(connection, rows)
        of_people: dict[str, list[Recorded]] = {}
        last_of: dict[str, int] = {}
        for row in rows:
            event = row.event
            of_people.setdefault(event.recipient, []).append(event)
            if event.id in goes:
                last_of[event.recipient] = event.id
        return Page(rows=rows, goes=goes, relying=relying, of_people=of_people, last_of=last_of)

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
            event, fate = row.event, self._fate(row)
            if fate is Fate.STAYS:
                continue
            if fate is Fate.ASK:
                asked.add(event.recipient)
            goes.setdefault(event.recipient, set()).add(event.id)
        by_key, many = self._asked(connection, asked - self._must_stay.keys())
        for key, events in by_key.items():
            goes[key] -= required(events, goes[key], self._policy, self._limits.now)
        for key in many:
            self._judge_many(connection, key)
        for key in goes.keys() & self._must_stay.keys():
            stay = self._must_stay[key]
            goes[key] -= goes[key] if stay is None else stay
        relied_on = asked | self._must_stay.keys()
        relying = frozenset(id_ for key in goes.keys() & relied_on for id_ in goes[key])
        return {id_ for ids in goes.values() for id_ in ids}, relying

    def _fate(self, row: Row) -> Fate:
        if not row.is_old or not self._needed.isdisjoint(row.keys):
            return Fate.STAYS
        key = row.event.recipient
        if not key:
            return Fate.GOES
        return self._judge.fate(row.event, is_refused_lately=key in self._refused)

    def _asked(
        self, connection: Connection, keys: set[str]
    ) -> tuple[dict[str, list[Recorded]], list[str]]:
        """Return the events of addresses, and the addresses that have too many."""
        found: dict[str, list[Recorded]] = {key: [] for key in keys}
        for event in events_of(connection, sorted(keys), streams=True):
            events = found[event.recipient]
            if len(events) <= MANY and event.id not in self._gone:
                events.append(event)
        many = sorted(key for key, events in found.items() if len(events) > MANY)
        for key in many:
            del found[key]
        return found, many

    def _judge_many(self, connection: Connection, key: str) -> None:
        def read() -> Iterator[tuple[Recorded, bool]]:
            found = connection.execute(
                text(_OF_ONE), {"key": key}, execution_options={"yield_per": ROWS_IN_A_FETCH}
            )
            for each in found:
                row = self._row(each)
                id_ = row.event.id
                if id_ not in self._gone:
                    is_ahead = self._after < id_ <= self.upto
                    yield row.event, is_ahead and self._fate(row) is not Fate.STAYS

        if len(self._must_stay) >= _MOST_KNOWN:
            self._must_stay.clear()
        self._must_stay[key] = required_of_many(read, self._policy, self._limits.now)

    def _plan(self, page: Page, some: Sequence[Row], *, careful: bool) -> Planned:
        """Compute with which record the fold of each user begins when these events are gone."""
        rows = [row for row in some if row.event.id in page.goes]
        keys = {row.event.recipient for row in rows} - {""}
        with self._store.reading() as connection:
            users = records_of(connection, keys, lock=False)
            before = first_records_of(connection, users)
            spans: dict[str, tuple[int, int]] = {}
            for key in users:
                after = before[key].after_event if key in before else 0
                if after < page.last_of[key]:
                    spans[key] = after, page.last_of[key]
            again = self._read_again(connection, spans, careful=careful)
            left = _left(connection, page) if spans else frozenset()
            newest = newest_event(connection)
        first: dict[str, FirstRecord] = {}
        counts: dict[str, int] = {}
        as_they_are: set[str] = set()
        for key, (after, last) in spans.items():
            user, known = users[key], before.get(key)
            events = again.get(key) or [each for each in page.of_people[key] if each.id in left]
            upto = [event for event in events if event.id <= last]
            counts[key] = sum(event.id > after for event in upto)
            person = Person(key, user, known)
            fold = _folded(person, upto, self._policy)
            begun = FirstRecord(fold.user, last)
            if self._is_unsure(person, user, (known, begun), events, page.goes):
                as_they_are.add(key)
                begun = FirstRecord(user, newest)
            first[key] = begun
        return Planned(
            rows=rows,
            seen=len(some),
            last=some[-1].event.id if some else self.upto,
            users=users,
            before=before,
            first=first,
            spans=spans,
            counts=counts,
            as_they_are=frozenset(as_they_are),
            relies=any(row.event.id in page.relying for row in rows),
            turn=self._turn,
        )

    def _read_again(
        self, connection: Connection, spans: dict[str, tuple[int, int]], *, careful: bool
    ) -> dict[str, list[Recorded]]:
        """Return the events of users of whom those of the page are not enough."""
        if self._policy.needs_past:
            return _by_key(events_of(connection, sorted(spans)))
        more = {key: span for key, span in spans.items() if careful or key in self._earlier}
        return _by_key(events_between(connection, more))

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

    def _write(self, connection: Connection, planned: Planned) -> str | None:
        """Write a bite; return the turn after it.

        Raises:
            Faster: what it was planned for is no longer true.

        """
        turn = planned.turn
        if planned.relies:
            # Another purge may have removed the events on which these rely.
            if read_progress(connection, _TURN) != turn:
                raise Faster
            turn = token_hex(8)
            keep_progress(connection, _TURN, turn)
        keys = {row.event.recipient for row in planned.rows} - {""}
        # This locks the users: nobody else adds an event of theirs, or makes a stranger a user.
        users = records_of(connection, keys, lock=True)
        changed = users.keys() ^ planned.users.keys()
        changed |= {key for key in planned.as_they_are if users.get(key) != planned.users[key]}
        if changed or _after(first_records_of(connection, users)) != _after(planned.before):
            raise Faster
        if connection.dialect.name == "postgresql" and planned.counts:
            _require_counts(connection, planned)
        until = max(self._limits.cutoff, *(row.event.occurred_at for row in planned.rows))
        note_purged_until(connection, mark_of(until + _MARGIN))
        kept = [(key, self._until(row.event)) for row in planned.rows for key in row.keys]
        keep_keys(connection, kept)
        _begin_anew(connection, planned.first)
        ids = [row.event.id for row in planned.rows]
        if delete_rows(connection, "events", ids) != len(ids):
            raise Faster
        return turn

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


def _left(connection: Connection, page: Page) -> frozenset[int]:
    """Return which events of a page are still on record."""
    values = {"first": page.rows[0].event.id, "last": page.rows[-1].event.id}
    return frozenset(connection.execute(text(_LEFT), values).scalars())


def _after(first: dict[str, FirstRecord]) -> dict[str, int]:
    return {key: record.after_event for key, record in first.items()}


def _require_counts(connection: Connection, planned: Planned) -> None:
    """Make sure that no event was committed late, with a smaller id than those after it."""
    if count_between(connection, planned.spans) != planned.counts:
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
