"""The store in a SQLite file."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.core.errors import CommitsLost
from worker.store.disk_space import DiskSpace, disk_space, require_room
from worker.store.figures import Figures
from worker.store.files import LOCK, SHM
from worker.store.holders import holders_named, workers_named
from worker.store.in_force import keep_if_changed
from worker.store.locks import WriterLock
from worker.store.rights import AccessProblem, access_problem, wal_without_database
from worker.store.sample import RollBack, probing, write_sample
from worker.store.sqlite import queries
from worker.store.sqlite.connection import SMALL_CACHE_KIB, Connection, connect
from worker.store.sqlite.errors import translated
from worker.store.sqlite.figures import SqliteFigures
from worker.store.sqlite.live_copy import Report, copy_into
from worker.store.sqlite.opened import Opened
from worker.store.sqlite.reader import Reader, is_there
from worker.store.sqlite.transaction import SqliteTransaction
from worker.store.sqlite.wiping import wipe
from worker.store.sqlite.writing import WritingConnection
from worker.store.unfinished import Unfinished

if TYPE_CHECKING:
    import sqlalchemy


class SqliteStore:
    """One connection for the message path, and others for commands, the relay and figures."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)
        self.lock = WriterLock(path)
        self._writing = WritingConnection(path, self.lock)
        self._reader = Reader(path, self._writing)
        self._overwrites = False
        self._brief: tuple[Opened, sqlalchemy.Engine] | None = None
        """The open connection of the message path, and SQLAlchemy's view of it."""

    @property
    def lost(self) -> CommitsLost | None:
        """Commits that were lost with a removed file, whichever thread has noticed it."""
        return self._writing.lost

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """Begin; commit durably at the end of the block, or roll back.

        Raises:
            Unavailable: the file cannot be written now; nothing was written, or it does not count.
            CommitsLost: earlier commits went with a file that somebody removed.

        """
        with self._writing.exclusive():
            require_room(self.path)
            opened = self._writing.open()
            try:
                opened.connection.execute("BEGIN IMMEDIATE")
                yield SqliteTransaction(opened.connection)
                opened.connection.execute("COMMIT")
                opened.look_where_it_went()
                self.lock.require_in_place()
                opened.checkpoint()
            except BaseException as error:
                self._writing.roll_back(error)
                raise

    def probe(self) -> None:
        """Test whether the store can be written, by a write that is rolled back.

        Raises:
            Unavailable: it cannot, whatever the reason.
            Misconfigured: the path names something else now.

        """
        with self._writing.exclusive():
            self._writing.drop()  # a file that was opened while it was read-only stays read-only
        with probing(), self.transaction() as transaction:
            write_sample(transaction)
            raise RollBack
        with probing(), self.transaction() as transaction:
            transaction.touch()

    @contextmanager
    def read_transaction(self) -> Iterator["sqlalchemy.Connection"]:
        """Begin a SQLAlchemy transaction that only reads.

        Raises:
            Unavailable: the file cannot be read, or was replaced while it was read.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with (
            translated(self.path),
            engine.transaction(self._read_engine, self._reader.require_in_place) as connection,
        ):
            connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection

    snapshot = read_transaction
    """A transaction of SQLite's reads as of one moment anyhow."""

    @contextmanager
    def write_transaction(self) -> Iterator["sqlalchemy.Connection"]:
        """Begin a SQLAlchemy transaction that writes; make the file if there is none.

        Raises:
            Unavailable: the file cannot be written, or what was written does not count.
            CommitsLost: as for `transaction`.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with (
            self._writing.exclusive(),
            engine.transaction(self._write_engine, self._end_write) as connection,
        ):
            yield connection

    @contextmanager
    def brief_write_transaction(self) -> Iterator["sqlalchemy.Connection"]:
        """Begin as `write_transaction`, on the message path's connection; leave the `-wal`.

        Raises:
            Unavailable, CommitsLost: as for `transaction`.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with self._writing.exclusive():
            require_room(self.path)
            opened = self._writing.open()
            if self._brief is None or self._brief[0] is not opened:
                self._brief = opened, engine.over(opened.connection, begin="BEGIN IMMEDIATE")
            try:
                with engine.transaction(self._brief[1]) as connection:
                    yield connection
                opened.look_where_it_went()
                self.lock.require_in_place()
            except BaseException as error:
                self._writing.roll_back(error)
                raise

    def copy_wal(self, pages: int) -> float:
        """Copy the `-wal` into the file if it has so many pages; return for how many seconds.

        Raises:
            Unavailable, CommitsLost: as for `transaction`.

        """
        with self._writing.exclusive():
            began = time.monotonic()
            try:
                self._writing.open().checkpoint(pages)
            except BaseException as error:
                self._writing.roll_back(error)
                raise
            return time.monotonic() - began

    def _end_write(self, connection: Connection) -> None:
        """Check where the commit went, before the connection is closed."""
        opened = Opened(self.path, connection)
        opened.look_where_it_went()
        self.lock.require_in_place()
        if self._writing.opened is None:  # a command, which may be the last to have the file open
            opened.empty_wal()
        else:
            opened.checkpoint()

    @cached_property
    def _read_engine(self) -> "sqlalchemy.Engine":
        from worker.store import engine

        return engine.make("sqlite", self._reader.look, begin="BEGIN")

    @cached_property
    def _write_engine(self) -> "sqlalchemy.Engine":
        from worker.store import engine

        making = partial(
            connect,
            self.path,
            create=True,
            cache_kib=SMALL_CACHE_KIB,
            overwrite=self._overwrites,
        )
        return engine.make("sqlite", making, begin="BEGIN IMMEDIATE")

    def revision(self) -> str | None:
        """Return the schema's revision; None if there is no schema yet.

        Raises:
            Misconfigured: this is no database, or its tables are not ours.
            Unavailable: it cannot be read now.

        """
        if not is_there(self.path):
            return None
        return self._reader.ask(partial(queries.read_revision, path=self.place), trace=False)

    def unfinished(self) -> list[Unfinished]:
        """Count the effects that are not finished.

        Raises:
            Unavailable: the file cannot be read now.

        """
        return self._reader.ask(queries.count_unfinished, trace=False)

    def has_unfinished(self, lane: str) -> bool:
        """Return whether a lane has effects that are not finished; a tenth of a claim's time.

        Raises:
            Unavailable: the file cannot be read now.

        """
        return self._reader.ask(partial(queries.has_unfinished, lane=lane))

    def figures(self) -> Figures:
        """Count effects and quarantined messages, on a connection of its own.

        Raises:
            Unavailable: the file cannot be read now.

        """
        return self._reader.ask(queries.count_waiting)

    def keep_policy(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Keep the policy in force; write only if it has changed. Return what was kept before.

        Raises:
            Unavailable, CommitsLost: as for `transaction`.

        """
        with self.transaction() as transaction:
            return keep_if_changed(transaction, values)

    @contextmanager
    def adding_up(self) -> Iterator[SqliteFigures]:
        """Begin a transaction that adds up figures.

        Raises:
            Unavailable, CommitsLost: as for `transaction`.

        """
        with self.transaction() as transaction:
            yield transaction.figures

    def ask(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Answer a query on a connection of its own; see `Store.ask`.

        Raises:
            Unavailable: the file cannot be read now.

        """
        return self._reader.ask(partial(queries.answer, query=query, values=values), trace=False)

    def copy_into(self, made: Path, report: Report) -> None:
        """Write the database, as it is at one moment, into a new file; see `live_copy`.

        Raises:
            Unavailable: the file cannot be read now.
            CopyFailed: the new file cannot be written.

        """
        copy_into(self._reader, made, report)

    def overwrite_deleted(self) -> None:
        """Have what `write_transaction` deletes overwritten in the file; to be called before it."""
        self._overwrites = True

    def wipe(self, keys: Sequence[str]) -> str:
        """Leave nothing of deleted rows with these addresses in the files; see `Store.wipe`.

        Raises:
            Unavailable: another process keeps the `-wal`, or the disk has no room.

        """
        with self._writing.exclusive():
            is_rewritten = wipe(self.path, keys)
        return "the file was rewritten, for unused pages had older copies" if is_rewritten else ""

    def access_problem(self) -> AccessProblem | None:
        """Return why the permissions keep this process from writing the file; None: they do not."""
        return wal_without_database(self.path) or access_problem(self.path)

    def home(self) -> None:
        """Return None: a file has no roles and no schemas."""

    def disk_space(self) -> DiskSpace | None:
        """Return how much space the disk of the file has; None: unknown."""
        return disk_space(self.path)

    def break_off(self) -> None:
        """Do nothing: our waits have limits, and a hanging disk cannot be interrupted."""

    def who_holds(self) -> str:
        """Name the processes with a lock on the lock file or the `-shm`, to end a sentence."""
        return holders_named(self._locked_files())

    def workers(self) -> str:
        """Name the workers among those processes; a reader, too, has a lock on the `-shm`."""
        return workers_named(self._locked_files())

    def _locked_files(self) -> list[str]:
        real = os.path.realpath(self.path)
        return [f"{real}{LOCK}", f"{real}{SHM}"]

    def keep_open(self) -> None:
        """Do nothing: opening a file takes no time."""

    def close(self) -> None:
        """Close the file, so that a process that may only read can go on.

        Raises:
            CommitsLost: commits went with a file that somebody removed.
            Unavailable: the file was removed, or it is unknown whether commits were lost.

        """
        try:
            self._writing.close()
        finally:
            self.lock.close()
