"""User records as people handle them: brought in, looked at, taken out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Self, TypeVar

from msgspec import Struct
from msgspec.structs import astuple
from sqlalchemy import Connection, Select, bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from worker.store import Store
from worker.store.rows import USER_COLUMNS
from worker.store.schema import users
from worker.timing.retries import when_raced

ROWS_IN_A_STATEMENT = 500
"""SQLite before 3.32 takes no more than 999 variables."""
ROWS_IN_A_TRANSACTION = 25_000
"""Half a second of work, for which the daemon waits; with 5,000 rows SQLite writes each page of
its index three times as often."""

Insert = TypeVar("Insert", sqlite.Insert, postgresql.Insert)
Values = Mapping[str, Any]
_COLUMNS = [users.c[name] for name in USER_COLUMNS]


class Imported(Struct, frozen=True):
    """How many rows did what; one that a later row for the same user overrules did nothing."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def __add__(self, other: Self) -> Self:
        """Add them up."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return type(self)(*map(sum, pairs))

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(astuple(self))


class UserFilter(Struct, frozen=True, kw_only=True):
    """Which users: all, or those who are paused at a time, or whose flag is set, or both."""

    paused_at: datetime | None = None
    blocked: bool = False


def import_users(store: Store, rows: Iterable[Values]) -> Iterator[Imported]:
    """Bring users in, by `email_key`; yield the counts so far after each transaction.

    A user who is there gets the columns that the rows have; feedback stays as it is. Of several
    rows for one user the last counts.

    Raises:
        Unavailable: the store cannot be reached; what was yielded before is committed.
        Raced: others write the same rows again and again; likewise.

    """
    total = Imported()
    waiting = iter(rows)
    while some := list(islice(waiting, ROWS_IN_A_TRANSACTION)):
        total += _import_some(store, some)
        yield total


@when_raced.wraps
def _import_some(store: Store, some: list[Values]) -> Imported:
    """Write in one transaction, in the order in which the worker locks users."""
    last = {row["email_key"]: row for row in some}
    rows = [last[key] for key in sorted(last)]
    counts = Imported(unchanged=len(some) - len(rows))
    with store.writing() as connection:
        for start in range(0, len(rows), ROWS_IN_A_STATEMENT):
            counts += _bring_in(connection, rows[start : start + ROWS_IN_A_STATEMENT])
    return counts


def _bring_in(connection: Connection, rows: list[Values]) -> Imported:
    names = tuple(rows[0])
    known = _known(connection, [row["email_key"] for row in rows], names)
    changed = [row for row in rows if known.get(row["email_key"]) != row]
    if changed:
        _write(connection, names, changed)
    updated = sum(row["email_key"] in known for row in changed)
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
    """One array a column: a third of the time that a statement for each row takes."""
    arrays = [
        func.unnest(bindparam(name, type_=postgresql.ARRAY(users.c[name].type))) for name in names
    ]
    return _overwriting(postgresql.insert(users), names).from_select(names, select(*arrays))


def _overwriting(insert: Insert, names: tuple[str, ...]) -> Insert:
    """Columns of the file replace those of the users, and nothing else does."""
    others = {name: insert.excluded[name] for name in names if name != "email_key"}
    return insert.on_conflict_do_update(index_elements=["email_key"], set_=others)


def _known(connection: Connection, keys: list[str], names: tuple[str, ...]) -> dict[str, Values]:
    query = select(*(users.c[name] for name in names)).where(users.c.email_key.in_(keys))
    return {row["email_key"]: dict(row) for row in connection.execute(query).mappings()}


def among_users(store: Store, keys: Sequence[str]) -> frozenset[str]:
    """Return which of these are users."""
    found: set[str] = set()
    with store.reading() as connection:
        for start in range(0, len(keys), ROWS_IN_A_STATEMENT):
            some = users.c.email_key.in_(keys[start : start + ROWS_IN_A_STATEMENT])
            found.update(connection.execute(select(users.c.email_key).where(some)).scalars())
    return frozenset(found)


def find_user(store: Store, email_key: str) -> Values | None:
    """Look one user up."""
    with store.reading() as connection:
        query = select(*_COLUMNS).where(users.c.email_key == email_key)
        row = connection.execute(query).mappings().first()
        return dict(row) if row else None


def all_users(store: Store, filter_: UserFilter, limit: int | None = None) -> Iterator[Values]:
    """Stream users, by `email_key`."""
    with store.reading() as connection:
        query = _restricted(select(*_COLUMNS), filter_).order_by(users.c.email_key).limit(limit)
        rows = connection.execution_options(yield_per=1_000).execute(query).mappings()
        yield from map(dict, rows)


def count_users(store: Store, filter_: UserFilter) -> int:
    """Count users."""
    with store.reading() as connection:
        query = _restricted(select(func.count()).select_from(users), filter_)
        return int(connection.execute(query).scalar_one())


def _restricted(query: Select[Any], filter_: UserFilter) -> Select[Any]:
    if filter_.paused_at:
        query = query.where(users.c.paused_until > filter_.paused_at)
    if filter_.blocked:
        query = query.where(users.c.auto_block_spam)
    return query
