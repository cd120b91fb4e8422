"""How large the database is, from when its events are, and whether it is sound."""

import sqlite3
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from worker.core.errors import Unavailable
from worker.core.parsing import as_time
from worker.store import Store
from worker.store.files import WAL
from worker.store.needs import to_read
from worker.store.revision import OUR_TABLES
from worker.store.sqlite import SqliteStore
from worker.store.sqlite.errors import error_code

READ = to_read(*OUR_TABLES)
"""What `condition_of` reads."""
_EVENTS = "SELECT min(occurred_at), max(occurred_at) FROM events"
_SQLITE_BYTES = """
    SELECT page_count * page_size, freelist_count * page_size
    FROM pragma_page_count(), pragma_page_size(), pragma_freelist_count()
"""
_POSTGRESQL_BYTES = "SELECT coalesce(sum(pg_total_relation_size(name::regclass)), 0) FROM ({}) AS t"
_MOST_PROBLEMS = 10
_MALFORMED = ["the database file is malformed"]


class Condition(Struct, frozen=True, kw_only=True):
    """The figures of `db status`."""

    bytes: int
    """Tables and indexes."""
    unused_bytes: int | None
    """Of them, what deleted rows have left, and new rows will fill; None: unknown."""
    wal_bytes: int | None
    """Beside them, in SQLite's `-wal`."""
    rows: dict[str, int]
    """Rows by table."""
    oldest_event: datetime | None
    newest_event: datetime | None


def condition_of(store: Store) -> Condition:
    """Measure a database that has this program's schema.

    Raises:
        Unavailable: the database cannot be read now.

    """
    tables = sorted(OUR_TABLES)
    ((oldest, newest),) = store.ask(_EVENTS)
    size, unused, wal = _bytes(store, tables)
    return Condition(
        bytes=size,
        unused_bytes=unused,
        wal_bytes=wal,
        rows={name: store.ask(f"SELECT count(*) FROM {name}")[0][0] for name in tables},
        oldest_event=as_time(oldest),
        newest_event=as_time(newest),
    )


def _bytes(store: Store, tables: list[str]) -> tuple[int, int | None, int | None]:
    if isinstance(store, SqliteStore):
        ((size, unused),) = store.ask(_SQLITE_BYTES)
        return size, unused, _size(Path(f"{store.path.resolve()}{WAL}"))
    names = " UNION ALL ".join(f"SELECT '{name}' AS name" for name in tables)
    ((size,),) = store.ask(_POSTGRESQL_BYTES.format(names))
    return int(size), None, None


def _size(file: Path) -> int:
    with suppress(FileNotFoundError):
        return file.stat().st_size
    return 0


def problems_of(store: Store) -> list[str] | None:
    """Read the whole database and return what is damaged; None: PostgreSQL knows, not we.

    Raises:
        Unavailable: the database cannot be read now.

    """
    if not isinstance(store, SqliteStore):
        return None
    found = _checked(store, "integrity_check")
    if found == _MALFORMED:  # it gave up; the other reads less, and names pages
        found = _checked(store, "quick_check")
    return [] if found == ["ok"] else found


def _checked(store: SqliteStore, pragma: str) -> list[str]:
    try:
        return [text for (text,) in store.ask(f"PRAGMA {pragma}({_MOST_PROBLEMS})")]
    except Unavailable as error:
        if is_damage(error.__cause__):
            return _MALFORMED
        raise


def is_damage(error: BaseException | None) -> bool:
    """Return whether an error of SQLite says that the file is damaged."""
    return error is not None and (error_code(error) or 0) & 0xFF == sqlite3.SQLITE_CORRUPT
