"""Computes the records of users anew from the events on record.

First everything is read, and what would change is put aside in a temporary file; nothing is locked.
Then the records are replaced, some at a time, while workers go on: a user who has changed meanwhile
is computed again under the lock. A rebuild that was broken off can be repeated.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import IO, Self

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, or_, select

from worker.core.backtesting import Bar, Change, Unknown, bar_of, change_between, unknown_of
from worker.core.folding import Fold, Person
from worker.core.model import User
from worker.core.policy import Policy
from worker.store import Store
from worker.store.in_force import as_kept
from worker.store.needs import Needs, to_read
from worker.store.on_record import folded, write_records
from worker.store.people import READ, people
from worker.store.recorded import count_events, newest_event, records_of
from worker.store.rows import feedback_row
from worker.store.schema import events, users
from worker.store.schema import policy as table
from worker.timing.retries import when_raced

LOOK: Needs = {**READ, **to_read("policy")}
"""What a dry run reads."""
NEEDS: Needs = {**LOOK, "users": ("SELECT", "UPDATE")}
"""What a rebuild does."""
USERS_IN_A_BITE = 500
"""Users in a transaction: the daemon waits for it, some hundredths of a second."""
_DEFAULTS = Policy()
Report = Callable[[int, int], None]
"""Is called with the number of events that were read, and of all."""


class Rebuilt(Struct, frozen=True, kw_only=True):
    """A user whose record would change."""

    key: str
    change: Change | None
    """What changes of whether mail may go there; None: only counts or dates."""
    before: Bar
    after: Bar


class Survey:
    """What a rebuild would change; for a block, at whose end a temporary file is removed."""

    def __init__(
        self,
        policy: Policy,
        now: datetime,
        most_shown: int,
        found: Callable[["Rebuilt"], None] = lambda _: None,
    ) -> None:
        """`found` gets each user whose record would change."""
        self.users = self.unchanged = self.changed = self.without_events = 0
        self.refused = Counter[Unknown]()
        self.by_change = Counter[Change]()
        self._changing: list[Rebuilt] = []
        self._counting: list[Rebuilt] = []
        self.newest = 0
        """The id of the newest event when reading began."""
        self._policy = policy
        self._now = now
        self._most_shown = most_shown
        self._found = found
        self._changes: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 closed by `__exit__`

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the temporary file."""
        self._changes.close()

    def read(self, connection: Connection, report: Report) -> None:
        """Compute all records."""
        self.newest = newest_event(connection)
        total, with_record = count_events(connection), 0
        for person, (fold,) in people(
            connection,
            lambda start: [Fold(start, self._policy)],
            report=lambda done: report(done, total),
        ):
            if person.user:
                with_record += not _is_empty(person.user)
                self._note(person, person.user, fold)
        self.without_events = max(0, _count_with_record(connection) - with_record)
        self._changes.flush()

    def _note(self, person: Person, user: User, fold: Fold) -> None:
        self.users += 1
        if unknown := unknown_of(person, _DEFAULTS, self._policy, fold.user):
            self.refused.update(unknown[:1])
            return
        after = person.finished(fold.user)
        if feedback_row(after) == feedback_row(user):
            self.unchanged += 1
            return
        self.changed += 1
        self._changes.write(msgspec.json.encode((user, after)) + b"\n")
        bars = bar_of(user, self._now), bar_of(after, self._now)
        change = change_between(*bars)
        if change:
            self.by_change[change] += 1
        rebuilt = Rebuilt(key=person.key, change=change, before=bars[0], after=bars[1])
        self._found(rebuilt)
        sample = self._changing if change else self._counting
        if len(sample) < self._most_shown:
            sample.append(rebuilt)

    @property
    def sample(self) -> list[Rebuilt]:
        """The first users, those whom mail may reach otherwise before the others."""
        return (self._changing + self._counting)[: self._most_shown]

    @property
    def only_counts(self) -> int:
        """How many change in nothing but counts or dates."""
        return self.changed - sum(self.by_change.values())

    def bites(self) -> Iterator[list[tuple[User, User]]]:
        """Yield the records that change, before and after, some at a time."""
        self._changes.seek(0)
        pairs = (_PAIR.decode(line) for line in self._changes)
        while some := list(islice(pairs, USERS_IN_A_BITE)):
            yield some


_PAIR = msgspec.json.Decoder(tuple[User, User])


def differing(connection: Connection, policy: Policy) -> list[str]:
    """Name what the policy of the workers has otherwise; nothing if no worker has kept a policy."""
    rows = connection.execute(select(table.c.name, table.c.value))
    kept: dict[str, str] = {row.name: row.value for row in rows}
    ours = as_kept(policy)
    return sorted(name for name in kept | ours if kept.get(name) != ours.get(name)) if kept else []


def rebuild(store: Store, survey: Survey, policy: Policy) -> Iterator[int]:
    """Replace the records that change; yield how many of them are done after each transaction.

    Raises:
        Unavailable: the store cannot be written now; what is done stays.
        Raced: other sessions write the same rows again and again; likewise.

    """
    done = 0
    for pairs in survey.bites():
        _rebuild(store, pairs, survey.newest, policy)
        done += len(pairs)
        yield done


@when_raced.wraps
def _rebuild(store: Store, pairs: list[tuple[User, User]], newest: int, policy: Policy) -> None:
    keys = [before.email_key for before, _ in pairs]
    with store.write_transaction() as connection:
        now = records_of(connection, keys, lock=True)
        newer = select(events.c.recipient).where(events.c.id > newest, events.c.recipient.in_(keys))
        stale = set(connection.execute(newer.distinct()).scalars())
        stale |= {before.email_key for before, _ in pairs if now.get(before.email_key) != before}
        fresh = [after for _, after in pairs if after.email_key not in stale]
        again = folded(connection, sorted(stale), policy) if stale else {}
        fresh += [
            user
            for person, user in again.values()
            if not unknown_of(person, _DEFAULTS, policy, user)
        ]
        write_records(connection, fresh)


def _is_empty(user: User) -> bool:
    empty = User(email=user.email, email_key=user.email_key)
    return feedback_row(user) == feedback_row(empty)


def _count_with_record(connection: Connection) -> int:
    has_record = or_(
        users.c.auto_block_spam,
        users.c.hard_bounce_count > 0,
        users.c.soft_bounce_count > 0,
        users.c.complaint_count > 0,
        users.c.paused_until.is_not(None),
        users.c.reinstated_at.is_not(None),
    )
    query = select(func.count()).select_from(users).where(has_record)
    return int(connection.execute(query).scalar_one())
