"""The store: users, events, quarantine, outbox; in a SQLite file or in PostgreSQL.

The message path uses the driver directly (`transaction`). Commands and the relay use
SQLAlchemy (`reading`, `writing`), on connections opened the same way.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from worker.core.errors import CommitsLost, Misconfigured, Refused
from worker.core.ports import BatchStore
from worker.store.figures import Figures
from worker.store.revision import HEAD
from worker.store.rights import AccessProblem
from worker.store.sqlite import SqliteStore
from worker.store.unfinished import Unfinished

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Store(BatchStore, Protocol):
    """What both kinds of store can do."""

    place: str
    """The place of the database, for people; without the password."""

    @property
    def lost(self) -> CommitsLost | None:
        """Commits that went with a removed file: this process may not go on."""

    def reading(self) -> "AbstractContextManager[Connection]":
        """Begin a SQLAlchemy transaction that only reads."""

    def writing(self) -> "AbstractContextManager[Connection]":
        """Begin a SQLAlchemy transaction that writes."""

    def revision(self) -> str | None:
        """Return the schema's revision; None where there is none yet."""

    def unfinished(self) -> Sequence[Unfinished]:
        """Count the effects that are not done."""

    def has_unfinished(self, lane: str) -> bool:
        """Return whether effects of a lane are not done."""

    def figures(self) -> Figures:
        """Count what waits; on a connection of its own."""

    def access_problem(self) -> AccessProblem | None:
        """Return why this process may not write, as far as is known without writing."""

    def break_off(self) -> None:
        """End, from another thread, a transaction that hangs; it is `Unavailable` then."""

    def who_holds(self) -> str:
        """Report which other processes hold locks that a write waits for, as far as is known."""

    def keep_open(self) -> None:
        """Keep a connection open for frequent `reading` and `writing`."""

    def close(self) -> None:
        """Let go."""


def open_store(url: str) -> Store:
    """Choose the store by its URL, as `Settings` has checked it; nothing is opened yet.

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
        Unavailable: the database is unavailable.

    """
    if store.revision() == HEAD:
        return ()
    from worker.store.migrate import status, upgrade  # only here: Alembic takes 0.3 s to load

    found = status(store)
    if found.newer:
        raise Misconfigured(_too_new(found.revision))
    if not migrate:
        raise Misconfigured(f"{_too_old(found.revision)} (store.migrate is manual)")
    return upgrade(store)


def require_schema(store: Store) -> None:
    """Have this program's schema, and make nothing where it is not.

    Raises:
        Misconfigured: the schema is newer than the program.
        Refused: there is none, or it is older.
        Unavailable: the database is unavailable.

    """
    if (revision := store.revision()) == HEAD:
        return
    if revision is None:
        raise Refused(no_database(store))
    from worker.store.migrate import status  # only here: Alembic takes 0.3 s to load

    if status(store).newer:
        raise Misconfigured(_too_new(revision))
    raise Refused(_too_old(revision))


def no_database(store: Store) -> str:
    """The error for a missing database, and the usual reason."""
    message = f"no database at {store.place} (store.url)"
    if isinstance(store, SqliteStore):
        return f"{message}; a relative store.url is resolved from the working directory"
    return f"{message}; `ses-worker db upgrade` makes its tables"


def _too_new(revision: str | None) -> str:
    return (
        f"the database has schema {revision}, this program knows {HEAD} and older: "
        "install the newer program again, or restore an older backup"
    )


def _too_old(revision: str | None) -> str:
    return (
        f"the database has schema {revision or 'none'}, this program needs {HEAD}: "
        "run `ses-worker db upgrade`"
    )
