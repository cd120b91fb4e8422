"""The books: users, events, quarantine, outbox; in a SQLite file or in PostgreSQL.

The path writes by the driver's own means (`transaction`). What people ask for goes through
SQLAlchemy (`reading`, `writing`), on connections opened the same way.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from worker.books import Books
from worker.errors import Misconfigured
from worker.store.revision import HEAD
from worker.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Store(Books, Protocol):
    """What both kinds of books can do; each says more where it is written."""

    place: str
    """Where they are, for people; without the password."""

    def reading(self) -> "AbstractContextManager[Connection]":
        """Begin a SQLAlchemy transaction that only reads."""

    def writing(self) -> "AbstractContextManager[Connection]":
        """Begin a SQLAlchemy transaction that writes."""

    def revision(self) -> str | None:
        """Tell the schema's revision; None where nothing has been made yet."""

    def break_off(self) -> None:
        """End, from another thread, a transaction that hangs; it is `Unavailable` then."""

    def close(self) -> None:
        """Let go."""


def open_store(url: str) -> Store:
    """Choose the books by their URL, as `Settings` has checked it; nothing is opened yet.

    Raises:
        Misconfigured: PostgreSQL's driver is not installed, or cannot read the URL.

    """
    if url.startswith("sqlite:///"):
        return SqliteStore(Path(url.removeprefix("sqlite:///")))
    try:
        # Only here: a worker with SQLite needs no PostgreSQL driver.
        from worker.store.postgresql import PostgresqlStore
    except ImportError as error:
        raise Misconfigured(
            "store.url names PostgreSQL, whose driver is not installed: "
            "pip install 'ses-feedback-worker[postgresql]'"
        ) from error
    return PostgresqlStore(url)


def ensure_schema(store: Store, *, migrate: bool) -> tuple[str, ...]:
    """Have this program's schema before anything touches the tables; return what was applied.

    Raises:
        Misconfigured: the schema is newer than the program, or older and `migrate` is false.
        Unavailable: the database is away.

    """
    if store.revision() == HEAD:
        return ()
    from worker.store.migrate import status, upgrade  # only here: Alembic takes 0.3 s to load

    found = status(store)
    if found.newer:
        raise Misconfigured(
            f"the database has schema {found.revision}, this program knows {HEAD} and older: "
            "install the newer program again, or restore an older backup"
        )
    if not migrate:
        raise Misconfigured(
            f"the database has schema {found.revision or 'none'}, this program needs {HEAD}: "
            "run `ses-worker db upgrade` (store.migrate is manual)"
        )
    return upgrade(store)
