"""Judges which old events go, and which stay because they still serve."""

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from worker.core.folding import Recorded
from worker.core.policy import Policy
from worker.core.retention import Fate, Judge, required, required_of_many
from worker.store.purging.batches import Row, rows_of
from worker.store.purging.limits import Limits
from worker.store.purging.needed import Addresses, keys_in_quarantine, refused_lately
from worker.store.recorded import events_of

MANY = 500
"""An address with more events is judged once in a sweep, and not for each batch."""
_MOST_KNOWN = 10_000
"""So many such addresses at most are remembered."""
_LONGEST = timedelta(days=36_500)


class Judging:
    """Judges the events of a sweep; what depends on all events of an address is looked up."""

    def __init__(self, policy: Policy, limits: Limits) -> None:
        self._policy = policy
        self._limits = limits
        self._judge = Judge(policy, limits.now)
        self._refused = Addresses()
        self._needed: frozenset[str] = frozenset()
        self._must_stay: dict[str, frozenset[int] | None] = {}
        """What must stay of the addresses with many events; None: all."""
        self.gone: set[int] = set()
        """What a dry run would have removed, as far as others rely on it."""

    def begin(self, connection: Connection) -> None:
        """Look up once what is the same for all batches."""
        self._needed = keys_in_quarantine(connection)
        since = self._limits.now - min(self._judge.longest_pause, _LONGEST)
        self._refused = refused_lately(connection, since)

    def begin_anew(self) -> None:
        """Forget what must stay: another purge may have removed that."""
        self._must_stay.clear()

    def going(
        self, connection: Connection, rows: Sequence[Row], ahead: tuple[int, int]
    ) -> tuple[set[int], frozenset[int]]:
        """Return the ids of the events that go, and which of them because others stay.

        `ahead`: the ids that the sweep will still come to: behind the first, up to the second.
        """
        goes: dict[str, set[int]] = {}
        unsure: set[str] = set()
        for row in rows:
            event, fate = row.event, self._fate(row)
            if fate is Fate.STAYS:
                continue
            if fate is Fate.ASK:
                unsure.add(event.recipient)
            goes.setdefault(event.recipient, set()).add(event.id)
        by_address, many = self._look_up(connection, unsure - self._must_stay.keys())
        for key, events in by_address.items():
            goes[key] -= required(events, goes[key], self._policy, self._limits.now)
        for key in many:
            self._judge_many(connection, key, ahead)
        for key in goes.keys() & self._must_stay.keys():
            stay = self._must_stay[key]
            goes[key] -= goes[key] if stay is None else stay
        relied_on = unsure | self._must_stay.keys()
        relying = frozenset(id_ for key in goes.keys() & relied_on for id_ in goes[key])
        return {id_ for ids in goes.values() for id_ in ids}, relying

    def _fate(self, row: Row) -> Fate:
        if not row.is_old or not self._needed.isdisjoint(row.keys):
            return Fate.STAYS
        key = row.event.recipient
        if not key:
            return Fate.GOES
        return self._judge.fate(row.event, is_refused_lately=key in self._refused)

    def _look_up(
        self, connection: Connection, keys: Collection[str]
    ) -> tuple[dict[str, list[Recorded]], list[str]]:
        """Return the events of addresses, and the addresses that have too many."""
        found: dict[str, list[Recorded]] = {key: [] for key in keys}
        for event in events_of(connection, sorted(keys), streams=True):
            events = found[event.recipient]
            if len(events) <= MANY and event.id not in self.gone:
                events.append(event)
        many = sorted(key for key, events in found.items() if len(events) > MANY)
        for key in many:
            del found[key]
        return found, many

    def _judge_many(self, connection: Connection, key: str, ahead: tuple[int, int]) -> None:
        def read() -> Iterator[tuple[Recorded, bool]]:
            for row in rows_of(connection, self._limits, key):
                id_ = row.event.id
                if id_ not in self.gone:
                    is_ahead = ahead[0] < id_ <= ahead[1]
                    yield row.event, is_ahead and self._fate(row) is not Fate.STAYS

        if len(self._must_stay) >= _MOST_KNOWN:
            self._must_stay.clear()
        self._must_stay[key] = required_of_many(read, self._policy, self._limits.now)
