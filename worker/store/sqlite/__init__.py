"""The books in a SQLite file."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import Unavailable
from worker.store.figures import EFFECTS, QUARANTINED, Figures
from worker.store.locks import WriterLock
from worker.store.revision import VERSION_TABLE, is_ours
from worker.store.rights import Hindrance, hindrance
from worker.store.sample import RollBack, probing, write_sample
from worker.store.sqlite.connection import (
    SMALL_CACHE_KIB,
    connect,
    is_there,
    leave_for_readers,
    look,
    take_leave,
    translated,
)
from worker.store.sqlite.opened import Opened
from worker.store.sqlite.transaction import SqliteTransaction
from worker.store.unfinished import ANY, QUERY, Unfinished

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

FREE_BYTES_TO_GO_ON = 8 * 1024 * 1024
"""After a full disk: enough for a batch, its indexes and the WAL, with room to spare."""
LOOKS_FOR_ROOM = 5
"""That often a probe insists on it; then a write may show that less will do."""
CLOSING_SECONDS = 1.0
"""How long to wait for another process's write before the file is closed as it is."""

_ANY_UNFINISHED = ANY.format(lane=":lane")
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE})


class SqliteStore:
    """One connection that writes, opened when first needed and again after trouble."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)
        self.lock = WriterLock(path)
        self._opened: Opened | None = None
        self._orphans: list[Opened] = []
        self._looks_for_room = 0

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """Begin; commit durably at the end of the block, or roll back.

        Raises:
            Unavailable: the file cannot be written now; nothing was.

        """
        with self.lock.held(), translated(self.path, writes=True):
            opened = self._open()
            try:
                opened.connection.execute("BEGIN IMMEDIATE")
                yield SqliteTransaction(opened.connection)
                opened.connection.execute("COMMIT")
                opened.look_where_it_went()
            except BaseException as error:
                self._roll_back(opened, error)
                raise

    def probe(self) -> None:
        """Find out whether the books can be written again, by writing what is rolled back.

        Raises:
            Unavailable: they cannot, whatever the reason.
            Misconfigured: the file is something else now.

        """
        self._look_for_room()
        with self.lock.held():
            self._drop()  # a file opened while it was read-only stays so
        with probing(), self.transaction() as transaction:
            write_sample(transaction)
            raise RollBack
        with probing(), self.transaction() as transaction:
            transaction.touch()
        self._looks_for_room = 0

    @contextmanager
    def reading(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that only reads.

        Raises:
            Unavailable: the file cannot be read.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with (
            translated(self.path),
            engine.transaction(self._reader) as connection,
        ):
            connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection

    @contextmanager
    def writing(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that writes; the file is made where there is none.

        Raises:
            Unavailable: the file cannot be written.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with (
            self.lock.held(),
            translated(self.path, writes=True),
            engine.transaction(self._writer) as connection,
        ):
            yield connection
        if self._opened is None:
            # That may have been the last connection, which removes -wal and -shm.
            leave_for_readers(self.path)

    @cached_property
    def _reader(self) -> "Engine":
        from worker.store import engine

        return engine.make("sqlite", partial(look, self.path), begin="BEGIN")

    @cached_property
    def _writer(self) -> "Engine":
        from worker.store import engine

        making = partial(connect, self.path, create=True, cache_kib=SMALL_CACHE_KIB)
        return engine.make("sqlite", making, begin="BEGIN IMMEDIATE")

    def revision(self) -> str | None:
        """Tell the schema's revision; None where nothing has been made yet.

        Raises:
            Misconfigured: this is no database, or its tables are not ours.
            Unavailable: it cannot be read now.

        """
        if not is_there(self.path):
            return None
        with translated(self.path), closing(look(self.path, trace=False)) as connection:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
            if not is_ours(tables, str(self.path)):
                return None
            row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
            return str(row[0]) if row else None

    def unfinished(self) -> list[Unfinished]:
        """Count the effects that are not done.

        Raises:
            Unavailable: the file cannot be read now.

        """
        with translated(self.path), closing(look(self.path, trace=False)) as connection:
            return [Unfinished(*row) for row in connection.execute(QUERY)]

    def has_unfinished(self, lane: str) -> bool:
        """Tell whether effects of a lane are not done; a tenth of what a claim costs.

        Raises:
            Unavailable: the file cannot be read now.

        """
        with translated(self.path), closing(look(self.path)) as connection:
            return bool(connection.execute(_ANY_UNFINISHED, {"lane": lane}).fetchone()[0])

    def figures(self) -> Figures:
        """Count what waits; on a connection of its own.

        Raises:
            Unavailable: the file cannot be read now.

        """
        with translated(self.path), closing(look(self.path)) as connection:
            effects = {
                (lane, kind, state): n for lane, kind, state, n in connection.execute(EFFECTS)
            }
            (quarantined,) = connection.execute(QUARANTINED).fetchone()
        return Figures(quarantined=quarantined, effects=effects)

    def hindrance(self) -> Hindrance | None:
        """Say why this process may not write the file, by whose it is; None: it may."""
        return hindrance(self.path)

    def break_off(self) -> None:
        """End nothing: no wait of ours is without an end, and a disk that hangs cannot be told."""

    def keep_open(self) -> None:
        """Do nothing: a file is opened in no time."""

    def close(self) -> None:
        """Let go of the file; who may only read it can go on to."""
        if self._opened is not None and self._opened.is_ours():
            with suppress(Unavailable), self.lock.held(CLOSING_SECONDS):
                take_leave(self._opened.connection, self.path)
        self._drop()
        self.lock.close()

    def _open(self) -> Opened:
        if self._opened is not None and not self._opened.is_current():
            self._drop()
        if self._opened is None:
            self._opened = Opened(self.path)
        return self._opened

    def _look_for_room(self) -> None:
        """After a full disk a write of one page says nothing about the next batch."""
        if self._looks_for_room:
            self._looks_for_room -= 1
            with translated(self.path), suppress(FileNotFoundError):
                if shutil.disk_usage(self.path.parent).free < FREE_BYTES_TO_GO_ON:
                    raise Unavailable(f"{self.path.parent}: the disk is full")

    def _roll_back(self, opened: Opened, error: BaseException) -> None:
        """Leave nothing behind; after trouble with the file, or with SQLite, open it anew."""
        opened.roll_back()
        if getattr(error, "sqlite_errorcode", None) in _FULL:
            self._looks_for_room = LOOKS_FOR_ROOM
        about_a_row = isinstance(
            error, sqlite3.DataError | sqlite3.IntegrityError | sqlite3.ProgrammingError
        )
        trouble = isinstance(error, sqlite3.Error) and not about_a_row
        if trouble or opened.connection.in_transaction or isinstance(error, Unavailable):
            self._drop()

    def _drop(self) -> None:
        """Close, or only put aside what belongs to a file that was replaced.

        Closing that one would remove the -wal which now belongs to whatever took its place.
        """
        opened, self._opened = self._opened, None
        if opened is None:
            return
        if opened.is_ours():
            opened.close()
        else:
            self._orphans.append(opened)
