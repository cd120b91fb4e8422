"""Purges old events: keeps their keys, and of users the record with which a fold then begins.

A sweep reads and judges events a batch at a time, in the order of ids. The events of a batch go in
several bites: each is planned while nothing is locked, and written in a short transaction, which
makes sure that what it was planned for is still true.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import bindparam, text

from worker.core.policy import Policy
from worker.store import Store
from worker.store.purging.batches import ROWS_IN_A_BATCH, Batch, Row, judged, read_rows
from worker.store.purging.biting import Bite, Faster, Throttle
from worker.store.purging.judging import Judging
from worker.store.purging.limits import Limits
from worker.store.purging.needed import with_events_up_to
from worker.store.purging.planning import Planned, Planning
from worker.store.purging.statements import read_progress
from worker.store.purging.writing import GENERATION, write
from worker.store.recorded import newest_event
from worker.store.schema import Moment

_TRIES = 3
# The sum keeps PostgreSQL from reading all events, from the last back to the first old event.
_LAST_OLD = "SELECT coalesce(max(id + 0), 0) FROM events WHERE occurred_at < :cutoff"


class EventsPurge:
    """A sweep over the events, in the order of their ids."""

    def __init__(self, store: Store, policy: Policy, limits: Limits, *, after: int = 0) -> None:
        self._store = store
        self._limits = limits
        self._after = after
        self._judging = Judging(policy, limits)
        self._planning = Planning(store, policy, limits)
        self.upto = 0
        """The last id that may be old."""
        self.kept = 0
        """Old events that stay, because they still serve."""
        self._generation: str | None = None
        """Of the last bite of any purge, by this or another process, on which plans rely."""

    def begin(self) -> None:
        """Look up once what is the same for all bites."""
        with self._store.read_transaction() as connection:
            query = text(_LAST_OLD).bindparams(
                bindparam("cutoff", self._limits.cutoff, type_=Moment())
            )
            # SQLite would give the id of the newest event to the next, if the newest went; first
            # records would take that for an event of theirs (`imported_users.after_event`).
            newest = newest_event(connection)
            self.upto = max(0, min(int(connection.execute(query).scalar_one()), newest - 1))
            self._judging.begin(connection)
            self._planning.earlier = with_events_up_to(connection, self._after)

    def bites(self, throttle: Throttle) -> Iterator[Bite]:
        """Remove, some at a time.

        Raises:
            Unavailable: the store cannot be used now; what is done stays.
            Faster: another process purges.

        """
        batch, failed = None, 0
        while batch := batch or self.next_batch(ROWS_IN_A_BATCH):
            planned = self.plan(batch, batch.next_rows(throttle.rows), careful=failed > 0)
            try:
                if planned.ids:
                    with throttle.bite(self._store, len(planned.ids)) as connection:
                        generation = write(connection, planned)
                    self._generation = generation
            except Faster:
                failed += 1
                if failed == _TRIES:
                    raise
                batch = None
                continue
            failed = 0
            batch = self._pass(batch, planned)
            yield Bite(
                table="events",
                rows=len(planned.ids),
                looked_at=planned.looked_at,
                held_seconds=throttle.held if planned.ids else 0.0,
            )

    def dry_run(self) -> Iterator[Bite]:
        """Judge all, and remove none."""
        while batch := self.next_batch(ROWS_IN_A_BATCH):
            self._judging.gone |= batch.relying
            self.kept += batch.kept
            yield Bite(table="events", rows=len(batch.goes), looked_at=len(batch.rows))
            self._after = batch.rows[-1].event.id

    def next_batch(self, rows: int) -> Batch | None:
        """Read and judge the next events; return None if there are no more that may be old."""
        if self._after >= self.upto:
            return None
        ahead = self._after, self.upto
        with self._store.read_transaction() as connection:
            generation = read_progress(connection, GENERATION)
            if generation != self._generation:  # another purge may have removed what was relied on
                self._judging.begin_anew()
                self._generation = generation
            found = read_rows(connection, self._limits, ahead, rows)
            if not found:
                self._after = self.upto
                return None
            return judged(found, *self._judging.going(connection, found, ahead))

    def plan(self, batch: Batch, some: Sequence[Row], *, careful: bool) -> Planned:
        """Plan a bite; see `Planning`."""
        return self._planning.plan(batch, some, generation=self._generation, careful=careful)

    def _pass(self, batch: Batch, planned: Planned) -> Batch | None:
        """Go on after a bite; return the batch unless it is done."""
        done = batch.rows[batch.done : batch.done + planned.looked_at]
        for row in done:
            if row.event.id not in batch.goes:
                self._planning.earlier.add(row.event.recipient)
                self.kept += row.is_old
        self._after = planned.last
        batch.done += planned.looked_at
        return batch if batch.done < len(batch.rows) else None
