"""The store: users, events, quarantine and outbox, in a SQLite file or in PostgreSQL.

The message path uses the database driver (`transaction`), because SQLAlchemy would take two to
three times as long. Commands and the relay use SQLAlchemy (`reading`, `writing`), on connections
that are opened the same way.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from worker.core.errors import CommitsLost, Misconfigured, Refused
from worker.core.ports import BatchStore
from worker.store.adding_up import FiguresTransaction
from worker.store.disk_space import DiskSpace
from worker.store.figures import Figures
from worker.store.home import Home
from worker.store.needs import WORKER, Needs
from worker.store.revision import HEAD
from worker.store.rights import AccessProblem
from worker.store.sqlite import SqliteStore
from worker.store.unfinished import Unfinished

if TYPE_CHECKING:
    from sqlalchemy import Connection


class Store(BatchStore, Protocol):
    """The interface of both stores."""

    place: str
    """Where the database is, for people; without the password."""

    @property
    def lost(self) -> CommitsLost | None:
        """Commits that were lost with a removed file: this process must exit."""

    def reading(self) -> "AbstractContextManager[Connection]":
        """Begin a SQLAlchemy transaction that only reads."""

    def reading_one_moment(self) -> "AbstractContextManager[Connection]":
        """Begin as `reading`; all is read as of one moment, for as long as it takes."""

    def writing(self) -> "AbstractContextManager[Connection]":
        """Begin a SQLAlchemy transaction that writes."""

    def writing_briefly(self) -> "AbstractContextManager[Connection]":
        """Begin as `writing`, for many short transactions, each of which others wait for.

        In SQLite it is on the connection of the message path: none is opened while the file is
        locked, and the `-wal` is left to `copy_wal`.
        """

    def copy_wal(self, pages: int) -> float:
        """Copy the `-wal` of SQLite into the file if it has so many pages; return the seconds."""

    def revision(self) -> str | None:
        """Return the schema's revision; None if there is no schema yet."""

    def unfinished(self) -> Sequence[Unfinished]:
        """Count the effects that are not finished."""

    def has_unfinished(self, lane: str) -> bool:
        """Return whether a lane has effects that are not finished."""

    def figures(self) -> Figures:
        """Count effects and quarantined messages, on a connection of its own."""

    def keep_policy(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Keep the policy in force, if it has changed; return what was kept before."""

    def adding_up(self) -> AbstractContextManager[FiguresTransaction]:
        """Begin a transaction that adds up figures."""

    def ask(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Answer a query, without SQLAlchemy; `{name}` in it stands for a value.

        In SQLite times are texts.
        """

    def overwrite_deleted(self) -> None:
        """Have what `writing` deletes overwritten, where the database would leave it in its file.

        To be called before the first `writing`.
        """

    def wipe(self, keys: Sequence[str]) -> str:
        """Leave nothing of deleted rows with these addresses in the files; return a remark.

        Raises:
            Unavailable: the files cannot be changed now.
            Refused: this process has not the right to.

        """

    def access_problem(self) -> AccessProblem | None:
        """Return why this process may not write, as far as that is known without writing."""

    def home(self) -> Home | None:
        """Return where in PostgreSQL the tables are, or will be; None: unknown, or a file."""

    def disk_space(self) -> DiskSpace | None:
        """Return how much space the database's disk has; None: unknown, or another machine's."""

    def break_off(self) -> None:
        """End a hanging transaction from another thread; the transaction raises `Unavailable`."""

    def who_holds(self) -> str:
        """Name the processes whose locks a write waits for, if known, to end a sentence."""

    def workers(self) -> str:
        """Name the other workers that have the database open, as far as known; empty: none."""

    def keep_open(self) -> None:
        """Keep a connection open for frequent `reading` and `writing`."""

    def close(self) -> None:
        """Close all connections."""


def open_store(url: str, needs: Needs = WORKER) -> Store:
    """Make the store for a URL that `Settings` has checked; nothing is opened yet.

    `needs`: what the process does, for the rights that errors of PostgreSQL name.

    Raises:
        Misconfigured: PostgreSQL's driver is not installed, or cannot parse the URL.

    """
    if url.startswith("sqlite:///"):
        return SqliteStore(Path(url.removeprefix("sqlite:///")))
    try:
        # Only here: a worker with SQLite needs no PostgreSQL driver.
        from worker.store.postgresql import PostgresqlStore
    except ImportError as error:
        raise Misconfigured(
            "store.url names PostgreSQL, whose driver is not installed: "
            "pip install 'psycopg[binary]>=3.3,<3.4' in the worker's environment"
        ) from error
    return PostgresqlStore(url, needs)


def ensure_schema(store: Store, *, migrate: bool) -> tuple[str, ...]:
    """Bring the schema up to this program's, or check that it is; return the applied migrations.

    Raises:
        Misconfigured: the schema is newer than the program, or older and `migrate` is false.
        Unavailable: the database is unavailable.

    """
    if store.revision() == HEAD:
        return ()
    from worker.store.migrate import status, upgrade  # only here: Alembic takes 0.3 s to load

    schema = status(store)
    if schema.newer:
        raise Misconfigured(_too_new(schema.revision))
    if not migrate:
        raise Misconfigured(f"{_too_old(schema.revision)} (store.migrate is manual)")
    return upgrade(store)


def require_schema(store: Store) -> None:
    """Check that the schema is this program's; change nothing.

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
    """Return the error for a missing database, with the usual reason."""
    message = f"no database at {store.place} (store.url)"
    if isinstance(store, SqliteStore):
        return f"{message}; a relative store.url is resolved from the working directory"
    if (home := store.home()) is None:
        return f"{message}; `ses-worker db upgrade` makes its tables"
    message = f"{store.place} has no tables of the worker in the schema {home.schema}"
    if home.elsewhere:
        return f"{message}, but in {' and '.join(home.elsewhere)}. If those are meant: {home.fix}"
    return f"{message}; `ses-worker db upgrade` makes them, for the role {home.role} to own"


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
