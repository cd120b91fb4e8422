"""User records, as the `users` commands import, list and export them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Self, TypeVar

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import Connection, bindparam, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from worker.core.errors import Refused
from worker.core.policy import Policy
from worker.core.privacy import PrivacyKey
from worker.core.tombstones import barred_by
from worker.store import Store
from worker.store.forgetting import see_tombstones, tombstones_of
from worker.store.on_record import (
    fold_new,
    keep_first_records,
    keep_workers_out,
    users_among,
    write_records,
)
from worker.store.recorded import records_of
from worker.store.rows import FEEDBACK_COLUMNS, USER_COLUMNS
from worker.store.schema import imported_users, shadow_users, users
from worker.store.sqlite import SqliteStore
from worker.timing import clock
from worker.timing.retries import when_raced

ROWS_IN_A_STATEMENT = 500
"""Rows per statement. SQLite before 3.32 allows 999 variables."""
ROWS_IN_A_TRANSACTION = 25_000
"""Rows per transaction. It takes half a second, in which the daemon waits; with 5,000 rows SQLite
would write each page of the index three times as often."""
ROWS_BESIDE_WORKERS = 2_500
"""The same for PostgreSQL: a worker waits a second for a lock (`worker.store.postgresql.waiting`),
and so many new users take a third of it."""

Insert = TypeVar("Insert", sqlite.Insert, postgresql.Insert)
Values = Mapping[str, Any]
_COLUMNS = [users.c[name] for name in USER_COLUMNS]


class Imported(Struct, frozen=True):
    """Counts of imported rows. A row that a later row for the same user replaces is unchanged."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    with_events: int = 0
    """New users about whom something was on record."""
    folded: int = 0
    """Those whose record was made of it."""
    barred: int = 0
    """Those of them to whom mail may not go, or is paused, now."""
    forgotten: int = 0
    """New users who were forgotten before: they have the block or the pause that was kept."""

    def __add__(self, other: Self) -> Self:
        """Add the counts."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return type(self)(*map(sum, pairs))

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self.created + self.updated + self.unchanged


def import_users(
    store: Store,
    rows: Iterable[Values],
    policy: Policy | None = None,
    privacy_key: PrivacyKey | None = None,
) -> Iterator[Imported]:
    """Insert or update users by `email_key`; yield the counts so far after each transaction.

    An existing user gets the columns that the row has, without those of feedback; a new user gets
    all of them. Of several rows for a user the last is used.

    A new user without columns of feedback gets the record that the `policy` makes of the events on
    record about the address; without a policy they are ignored, for good.

    A new user who was forgotten before gets the block or the pause of the tombstone.

    Raises:
        Misconfigured: people were forgotten, and the key is not set, or another; likewise.
        Unavailable: the store cannot be reached; the rows counted so far are committed.
        Raced: other sessions write the same rows again and again; likewise.

    """
    total = Imported()
    remaining = iter(rows)
    most = ROWS_IN_A_TRANSACTION
    if not isinstance(store, SqliteStore):
        most = min(most, ROWS_BESIDE_WORKERS)
    while batch := list(islice(remaining, most)):
        total += _import_batch(store, batch, policy, privacy_key)
        yield total


@when_raced.wraps
def _import_batch(
    store: Store, batch: list[Values], policy: Policy | None, privacy_key: PrivacyKey | None
) -> Imported:
    """Write in a single transaction, in the order in which the worker locks users."""
    last = {row["email_key"]: row for row in batch}
    rows = [last[key] for key in sorted(last)]
    counts = Imported(unchanged=len(batch) - len(rows))
    with store.write_transaction() as connection:
        keep_workers_out(connection, [row["email_key"] for row in rows])
        see_tombstones(connection)  # else a user could be forgotten, and written without a block
        new: list[Values] = []
        for start in range(0, len(rows), ROWS_IN_A_STATEMENT):
            counts += _import_rows(connection, rows[start : start + ROWS_IN_A_STATEMENT], new)
        if not new:
            return counts
        counts += _begin_records(connection, new, policy)
        return counts + _bar_forgotten(connection, [row["email_key"] for row in new], privacy_key)


def _begin_records(connection: Connection, new: list[Values], policy: Policy | None) -> Imported:
    """Give new users the records that follow from the events on record, or keep those they have."""
    if policy is None or "auto_block_spam" in new[0]:
        return Imported(with_events=len(keep_first_records(connection, new)))
    changed = fold_new(connection, [row["email_key"] for row in new], policy)
    now = clock.wall()
    barred = sum(
        user.auto_block_spam or (user.paused_until is not None and user.paused_until > now)
        for user in changed
    )
    return Imported(with_events=len(changed), folded=len(changed), barred=barred)


def _bar_forgotten(
    connection: Connection, keys: Sequence[str], privacy_key: PrivacyKey | None
) -> Imported:
    """Give new users who were forgotten before what their tombstones keep."""
    stones = tombstones_of(connection, keys, privacy_key)
    records = records_of(connection, stones, lock=False)
    barred = [barred_by(user, stones[key]) for key, user in records.items()]
    write_records(connection, barred)
    return Imported(forgotten=len(barred))


def _import_rows(connection: Connection, rows: list[Values], new: list[Values]) -> Imported:
    """Write rows, and add those of new users to `new`."""
    names = tuple(rows[0])
    given = tuple(name for name in names if name not in FEEDBACK_COLUMNS)
    known = _read(connection, [row["email_key"] for row in rows], given)
    changed = [
        row for row in rows if known.get(row["email_key"]) != {name: row[name] for name in given}
    ]
    if changed:
        _write(connection, names, changed)
    updated = sum(row["email_key"] in known for row in changed)
    new += [row for row in changed if row["email_key"] not in known]
    return Imported(
        created=len(changed) - updated, updated=updated, unchanged=len(rows) - len(changed)
    )


def _write(connection: Connection, names: tuple[str, ...], rows: Sequence[Values]) -> None:
    if connection.dialect.name == "postgresql":
        columns = {name: [row[name] for row in rows] for name in names}
        connection.execute(_upsert_arrays(names), columns)
    else:
        connection.execute(_overwriting(sqlite.insert(users), names), rows)


def _upsert_arrays(names: tuple[str, ...]) -> postgresql.Insert:
    """Pass an array for each column. A statement for each row would take three times as long."""
    arrays = [
        func.unnest(bindparam(name, type_=postgresql.ARRAY(users.c[name].type))) for name in names
    ]
    return _overwriting(postgresql.insert(users), names).from_select(names, select(*arrays))


def _overwriting(insert: Insert, names: tuple[str, ...]) -> Insert:
    """Update only the columns that the file has, and none of feedback."""
    kept = {"email_key", *FEEDBACK_COLUMNS}
    others = {name: insert.excluded[name] for name in names if name not in kept}
    return insert.on_conflict_do_update(index_elements=["email_key"], set_=others)


def _read(connection: Connection, keys: list[str], names: tuple[str, ...]) -> dict[str, Values]:
    query = select(*(users.c[name] for name in names)).where(users.c.email_key.in_(keys))
    return {row["email_key"]: dict(row) for row in connection.execute(query).mappings()}


def remove_users(store: Store, keys: Sequence[str]) -> frozenset[str]:
    """Remove these users, and return which of the keys were users; their events stay.

    Raises:
        Refused: rows of another table refer to one of them; nobody was removed.
        Unavailable: the store cannot be written now.

    """
    is_meant = users.c.email_key.in_(sorted(keys))
    with store.write_transaction() as connection:
        locked = select(users.c.email_key).where(is_meant).order_by(users.c.email_key)
        known = frozenset(connection.execute(locked.with_for_update()).scalars())
        try:
            connection.execute(delete(users).where(is_meant))
            for table in (imported_users, shadow_users):
                theirs = table.c.email_key.in_(sorted(known))
                connection.execute(delete(table).where(theirs))
        except IntegrityError as error:
            raise Refused(
                "rows of another table refer to one of these users by a foreign key: delete those "
                "rows first; nobody was removed"
            ) from error
    return known


def among_users(store: Store, keys: Sequence[str]) -> frozenset[str]:
    """Return which of these keys are users."""
    with store.read_transaction() as connection:
        return users_among(connection, keys)


def find_user(store: Store, email_key: str) -> Values | None:
    """Read a user; None if there is none."""
    with store.read_transaction() as connection:
        query = select(*_COLUMNS).where(users.c.email_key == email_key)
        row = connection.execute(query).mappings().first()
        return dict(row) if row else None
