"""Plans a bite while nothing is locked: what goes, and with which records folds then begin."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from operator import attrgetter

from msgspec import Struct
from sqlalchemy import Connection

from worker.core.folding import FirstRecord, Fold, Person, Recorded
from worker.core.model import User
from worker.core.policy import Policy
from worker.core.purged import mark_of
from worker.store import Store
from worker.store.purging import judging
from worker.store.purging.batches import Batch, Row, on_record
from worker.store.purging.limits import Limits
from worker.store.purging.needed import Addresses
from worker.store.recorded import (
    events_between,
    events_of,
    first_records_of,
    newest_event,
    records_of,
)

_MARGIN = timedelta(days=1)
"""Events from before the column `claimed_at` may have a time so long after their receipt."""
_DEFAULTS = Policy()
Spans = dict[str, tuple[int, int]]


class Planned(Struct, frozen=True, kw_only=True):
    """What a bite removes, and what was true when it was planned."""

    ids: Sequence[int]
    """The events that go."""
    addresses: frozenset[str]
    """Whose they are."""
    keys: Sequence[tuple[str, int]]
    """Their keys, and the day until which each is kept."""
    mark: str
    """How late they are at most."""
    looked_at: int
    """Events that were looked at."""
    last: int
    """The id of the last of them."""
    users: dict[str, User]
    before: dict[str, FirstRecord]
    first: dict[str, FirstRecord]
    """The records with which folds of users then begin."""
    spans: Spans
    """By user: after which id and up to which events are folded into that record."""
    counts: dict[str, int]
    """How many these are."""
    as_they_are: frozenset[str]
    """Users whose present record is that record."""
    relies: bool
    """Whether some go because others of the address stay."""
    generation: str | None
    """Of the last bite that removed such events."""


class _Beginnings(Struct):
    """With which records the folds of users begin."""

    first: dict[str, FirstRecord] = {}
    counts: dict[str, int] = {}
    as_they_are: set[str] = set()


class Planning:
    """Plans the bites of a sweep."""

    def __init__(self, store: Store, policy: Policy, limits: Limits) -> None:
        self._store = store
        self._policy = policy
        self._limits = limits
        self.earlier = Addresses()
        """Addresses with events before the batch that stayed."""

    def plan(
        self, batch: Batch, some: Sequence[Row], *, generation: str | None, careful: bool
    ) -> Planned:
        """Compute with which record the fold of each user begins when these events are gone.

        `careful`: events may have been committed meanwhile, with ids within the batch.
        """
        rows = [row for row in some if row.event.id in batch.goes]
        addresses = frozenset({row.event.recipient for row in rows} - {""})
        with self._store.read_transaction() as connection:
            users = records_of(connection, addresses, lock=False)
            before = first_records_of(connection, users)
            spans = _spans(users, before, batch)
            found = self._begun(connection, batch, users, before, spans, careful=careful)
        until = max([self._limits.cutoff, *(row.event.occurred_at for row in rows)])
        kept = [(key, self._limits.keys_kept_until(row.event)) for row in rows for key in row.keys]
        return Planned(
            ids=[row.event.id for row in rows],
            addresses=addresses,
            keys=kept,
            mark=mark_of(until + _MARGIN),
            looked_at=len(some),
            last=some[-1].event.id,
            users=users,
            before=before,
            first=found.first,
            spans=spans,
            counts=found.counts,
            as_they_are=frozenset(found.as_they_are),
            relies=any(row.event.id in batch.relying for row in rows),
            generation=generation,
        )

    def _begun(
        self,
        connection: Connection,
        batch: Batch,
        users: dict[str, User],
        before: dict[str, FirstRecord],
        spans: Spans,
        *,
        careful: bool,
    ) -> _Beginnings:
        found = _Beginnings()
        if not spans:
            return found
        again = _by_address(self._read_again(connection, spans, careful=careful))
        left, newest = on_record(connection, batch), newest_event(connection)
        for key, (after, last) in list(spans.items()):
            user, known = users[key], before.get(key)
            if len(again.get(key, ())) > judging.MANY:
                del spans[key]
                found.first[key] = FirstRecord(user, newest)
                found.as_they_are.add(key)
                continue
            events = again.get(key) or [each for each in batch.by_address[key] if each.id in left]
            upto = [event for event in events if event.id <= last]
            found.counts[key] = sum(event.id > after for event in upto)
            person = Person(key, user, known)
            begun = FirstRecord(_folded(person, upto, self._policy), last)
            if self._is_unsure(person, user, (known, begun), events, batch.goes):
                found.as_they_are.add(key)
                begun = FirstRecord(user, newest)
            found.first[key] = begun
        return found

    def _read_again(
        self, connection: Connection, spans: Spans, *, careful: bool
    ) -> Iterable[Recorded]:
        """Return the events of users of whom those of the batch are not enough."""
        if self._policy.needs_past:
            return events_of(connection, sorted(spans), streams=True)
        more = {key: span for key, span in spans.items() if careful or key in self.earlier}
        return events_between(connection, more)

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
        if person.lacks_fault and self._policy.spare_faults != _DEFAULTS.spare_faults:
            return True  # a rebuild leaves such a user alone
        if not self._policy.needs_past:
            return False  # a fold of a part, and then of the rest, is a fold of all
        whole = Person(user.email_key, user, known)
        expected = whole.finished(_folded(whole, events, self._policy))
        later = Person(user.email_key, user, begun)
        left = [event for event in events if event.id not in goes]
        return later.finished(_folded(later, left, self._policy)) != expected


def _spans(users: dict[str, User], before: dict[str, FirstRecord], batch: Batch) -> Spans:
    """Return which events of each user become a part of the record with which a fold begins."""
    spans: Spans = {}
    for key in users:
        after = before[key].after_event if key in before else 0
        if after < batch.last_of[key]:
            spans[key] = after, batch.last_of[key]
    return spans


def _folded(person: Person, events: Iterable[Recorded], policy: Policy) -> User:
    fold = Fold(person.start, policy)
    for event in events:
        if person.takes(event):
            fold.add(event)
        else:
            fold.remember(event)
    return fold.user


def _by_address(events: Iterable[Recorded]) -> dict[str, list[Recorded]]:
    """Return the events of each address in the order of ids; if there are many, not all of them."""
    found: dict[str, list[Recorded]] = {}
    for event in events:
        theirs = found.setdefault(event.recipient, [])
        if len(theirs) <= judging.MANY:
            theirs.append(event)
    for theirs in found.values():
        theirs.sort(key=attrgetter("id"))
    return found
