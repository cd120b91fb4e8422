"""Copies a whole database into an empty database, of the same kind or of the other kind.

The tables are those of the schema, whatever they are. The copy is a single transaction of the new
database: it is complete and was compared with the old database, or the new database stays empty.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    Table,
    bindparam,
    func,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError

from worker.core.errors import Refused
from worker.store import Store, ensure_schema, require_schema
from worker.store.revision import HEAD
from worker.store.schema import metadata

ROWS_IN_A_FETCH = 100
"""Rows that are read at once. A row of `quarantine` or `outbox` may have a megabyte."""
ROWS_IN_A_BITE = 2_000
BYTES_IN_A_BITE = 4_194_304
"""How much is written by a statement: rows of usual length, or fewer long ones."""
_DIGESTS = 2**256
_ABOUT_ROWS = ("22", "23", "54", "P0")
"""SQLSTATEs: invalid data, a constraint, a limit (of an index), an error of a trigger."""

Row = Sequence[Any]
Progress = Callable[[int, int], None]
"""Is called with the number of rows that are done, and of all."""


class TableCopied(Struct, frozen=True):
    """A table that is the same in both databases."""

    name: str
    rows: int
    digest: str
    """Of all its rows, whatever their order."""


def require_copyable(source: Store, target: Store) -> None:
    """Make the target's schema if it has none; make sure that it can be copied into.

    Raises:
        Refused: a worker has the source open; or the target has another schema.
        Misconfigured: a schema is newer than this program, or another program's.
        Unavailable: a database is unavailable.

    """
    require_schema(source)
    if workers := source.workers():
        raise Refused(
            f"a worker has {source.place} open ({workers}): stop every worker that uses it, and "
            "copy then; messages wait in the queue meanwhile"
        )
    if (revision := target.revision()) is None:
        ensure_schema(target, migrate=True)
    elif revision != HEAD:
        raise Refused(f"{target.place} has schema {revision}: name a new, empty database")


def not_ours(store: Store) -> list[str]:
    """Return the columns of our tables that somebody else has added, which are not copied."""
    with store.read_transaction() as connection:
        found = inspect(connection)
        return [
            f"{table.name}.{column['name']}"
            for table in metadata.sorted_tables
            for column in found.get_columns(table.name)
            if column["name"] not in table.columns
        ]


def copy(
    source: Store,
    target: Store,
    report: Progress,
    snapshot: AbstractContextManager[Connection] | None = None,
) -> tuple[TableCopied, ...]:
    """Copy all rows, and compare both databases before the copy is committed.

    `of_one_moment`: a transaction that reads the source as of one moment. Without it nothing can be
    written to the source meanwhile: a worker that is started waits.

    Raises:
        Refused: the target is not empty, or is not the same in the end, or cannot hold a value.
            It is as it was before.
        Unavailable: a database cannot be used now; likewise.

    """
    tables = metadata.sorted_tables
    with snapshot or _undisturbed(source) as reader, target.write_transaction() as writer:
        _alone(writer)
        _require_empty(writer, target.place)
        # Each row is written, and read again.
        so_far = _Count(2 * sum(_count(reader, table) for table in tables), report)
        copied = [
            _copy(reader, writer, table, (source.place, target.place), so_far) for table in tables
        ]
        for table, before in zip(tables, copied, strict=True):
            after = _Sum(table.name)
            for row in so_far.of(_rows(writer, table, target.place)):
                after.add(row)
            if after.copied != before:
                raise Refused(
                    f"{target.place} does not keep {table.name} as {source.place} has it "
                    f"({after.copied.rows:,} of {before.rows:,} rows; a trigger?): nothing was "
                    "copied"
                )
    return tuple(copied)


@contextmanager
def _undisturbed(store: Store) -> Iterator[Connection]:
    with store.write_transaction() as connection:
        _alone(connection)
        yield connection


def _alone(connection: Connection) -> None:
    """Keep all others from writing, as long as it takes; in SQLite a lock file does that."""
    if connection.dialect.name == "postgresql":
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {name} = 0"))
        names = ", ".join(sorted(metadata.tables))
        connection.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))


def _require_empty(connection: Connection, place: str) -> None:
    counted = ((table.name, _count(connection, table)) for table in metadata.sorted_tables)
    if filled := [f"{name} has {rows:,}" for name, rows in counted if rows]:
        raise Refused(
            f"{place} is not empty (rows: {', '.join(filled)}): name an empty database; nothing "
            "was changed"
        )


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


class _Count:
    """Counts rows, of all tables together."""

    def __init__(self, total: int, report: Progress) -> None:
        self._total, self._report, self._done = total, report, 0

    def of(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Yield the rows, and report how far it is."""
        for row in rows:
            yield row
            self._done += 1
            if self._done % ROWS_IN_A_BITE == 0:
                self._report(self._done, self._total)
        self._report(self._done, self._total)


class _Sum:
    """The number of rows of a table, and the sum of their digests."""

    def __init__(self, name: str) -> None:
        self._name, self._rows, self._sum = name, 0, 0

    def add(self, row: Row) -> int:
        """Add a row; return how many bytes it has."""
        written = msgspec.json.encode(row)
        self._rows += 1
        self._sum += int.from_bytes(sha256(written).digest(), "big")
        return len(written)

    @property
    def copied(self) -> TableCopied:
        """What was added so far."""
        return TableCopied(self._name, self._rows, f"{self._sum % _DIGESTS:064x}")


def _copy(
    reader: Connection, writer: Connection, table: Table, places: tuple[str, str], so_far: _Count
) -> TableCopied:
    found, size = _Sum(table.name), 0
    bite: list[Row] = []
    for row in so_far.of(_rows(reader, table, places[0])):
        size += found.add(row)
        bite.append(row)
        if len(bite) == ROWS_IN_A_BITE or size > BYTES_IN_A_BITE:
            _write(writer, table, bite, places[1])
            bite, size = [], 0
    if bite:
        _write(writer, table, bite, places[1])
    if writer.dialect.name == "postgresql" and "id" in table.columns:
        _continue_numbers(writer, table)
    return found.copied


def _rows(connection: Connection, table: Table, place: str) -> Iterator[Row]:
    """Read a table by its key, and make sure that each value is of the type of its column.

    SQLite keeps whatever somebody has written into a column.
    """
    query = select(table).order_by(*table.primary_key)
    in_fetches = {"yield_per": ROWS_IN_A_FETCH}
    kinds = [(column, column.type.python_type) for column in table.columns]
    last: Row | None = None
    try:
        for row in map(tuple, connection.execute(query, execution_options=in_fetches)):
            for value, (column, kind) in zip(row, kinds, strict=True):
                _require_storable(value, column, kind)
            yield row
            last = row
    except ValueError as error:
        after = f"after {_key(table, last)}" if last else "the first"
        raise Refused(
            f"{place}: a row of {table.name}, {after}, cannot be copied: {error}. Correct it; "
            "nothing was copied"
        ) from error


def _require_storable(value: object, column: Column[Any], kind: type) -> None:
    if value is None:
        return
    if not isinstance(value, kind):
        raise ValueError(  # noqa: TRY004 as SQLAlchemy's errors about other types
            f"{column.name} is {type(value).__name__} and not {kind.__name__}"
        )
    if isinstance(value, str) and "\0" in value:
        raise ValueError(f"{column.name} has a NUL, which PostgreSQL cannot store")
    if isinstance(value, int) and _is_too_large(value, column):
        raise ValueError(f"{column.name} is {value}, which PostgreSQL cannot store")


def _is_too_large(value: int, column: Column[Any]) -> bool:
    is_small = isinstance(column.type, Integer) and not isinstance(column.type, BigInteger)
    return is_small and not -(2**31) <= value < 2**31


def _key(table: Table, row: Row) -> str:
    named = zip(table.columns, row, strict=True)
    return ", ".join(f"{column.name} {value}" for column, value in named if column.primary_key)


def _write(connection: Connection, table: Table, rows: Sequence[Row], place: str) -> None:
    try:
        _insert(connection, table, rows)
    except DBAPIError as error:
        if not _is_about_the_rows(error):
            raise
        first_line = str(error.orig).partition("\n")[0]
        between = f"{_key(table, rows[0])} to {_key(table, rows[-1])}"
        raise Refused(
            f"{place} does not take the rows of {table.name} from {between}: {first_line}; nothing "
            "was copied"
        ) from error


def _is_about_the_rows(error: DBAPIError) -> bool:
    state = getattr(error.orig, "sqlstate", None) or ""
    return state.startswith(_ABOUT_ROWS) or isinstance(error, IntegrityError)


def _insert(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    names = list(table.columns.keys())
    if connection.dialect.name == "sqlite":
        named = [dict(zip(names, row, strict=True)) for row in rows]
        connection.execute(insert(table), named)
        return
    # An array for each column. A statement for each row would take three times as long.
    arrays = [
        func.unnest(bindparam(column.name, type_=postgresql.ARRAY(column.type)))
        for column in table.columns
    ]
    values = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    connection.execute(insert(table).from_select(names, select(*arrays)), values)


def _continue_numbers(connection: Connection, table: Table) -> None:
    """Have PostgreSQL give out ids behind those that were copied."""
    connection.execute(
        text(
            f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), max(id)) "
            f"FROM {table.name} HAVING max(id) IS NOT NULL"
        )
    )
