"""Streams the people about whom events are on record, with what policies make of the events."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection

from worker.core.folding import Fold, Person
from worker.core.model import User
from worker.store.needs import to_read
from worker.store.recorded import all_events, first_records_of, records_of

READ = to_read("users", "events", "imported_users")
"""What is read for a fold."""
EVENTS_AT_ONCE = 5_000
"""Events that are in memory at once, with the records of their people."""

MakeFolds = Callable[[User], Sequence[Fold]]
"""Begins a fold for each policy, from a person's first record."""


def people(
    connection: Connection,
    make_folds: MakeFolds,
    *,
    since: datetime | None = None,
    report: Callable[[int], None] = lambda _: None,
) -> Iterator[tuple[Person, Sequence[Fold]]]:
    """Yield each address with events, when all of its events are folded.

    Memory is bounded, however many people there are and however many events one of them has.

    Args:
        connection: A transaction that reads.
        make_folds: Begins the folds.
        since: Only people with an event that occurred since then.
        report: Called with the number of events so far.

    """
    stream = all_events(connection, since)
    person: Person | None = None
    folds: Sequence[Fold] = ()
    done = 0
    while some := list(islice(stream, EVENTS_AT_ONCE)):
        keys = {event.recipient for event in some}
        records = records_of(connection, keys, lock=False)
        first = first_records_of(connection, keys)
        for event in some:
            key = event.recipient
            if person is None or person.key != key:
                if person:
                    yield person, folds
                person = Person(key, records.get(key), first.get(key))
                folds = make_folds(person.start)
            is_new = person.takes(event)
            for fold in folds:
                if is_new:
                    fold.add(event)
                else:
                    fold.remember(event)
        done += len(some)
        report(done)
    if person:
        yield person, folds
