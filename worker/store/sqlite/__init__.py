"""The store in a SQLite file."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from worker.core.errors import CommitsLost, Unavailable
from worker.store.figures import EFFECTS, QUARANTINED, Figures
from worker.store.files import LOCK, SHM, WAL, identity
from worker.store.holders import said_of_holders
from worker.store.locks import WriterLock
from worker.store.revision import VERSION_TABLE, is_ours
from worker.store.rights import AccessProblem, access_problem, wal_without_database
from worker.store.sample import RollBack, probing, write_sample
from worker.store.sqlite import connection as sqlite
from worker.store.sqlite.connection import (
    SMALL_CACHE_KIB,
    connect,
    is_there,
    look,
    nobody_writes,
    translated,
)
from worker.store.sqlite.opened import Opened, named
from worker.store.sqlite.shared import await_end
from worker.store.sqlite.transaction import SqliteTransaction
from worker.store.unfinished import ANY, QUERY, Unfinished

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

T = TypeVar("T")

FREE_BYTES_TO_GO_ON = 8 * 1024 * 1024
"""After a full disk: enough for a batch, its indexes and the WAL, with room to spare."""
LOOKS_FOR_ROOM = 5
"""That often a probe insists on it; then a write may show that less will do."""
CLOSING_SECONDS = 1.0
"""How long to wait for another process's write before the file is closed as it is."""
REPLACING_SECONDS = 5.0
"""How long to wait for what this process itself has open of files that were replaced."""

_ANY_UNFINISHED = ANY.format(lane=":lane")
_REPLACED = (
    "Somebody removed or replaced these files while the worker had them open. It saves what was "
    "committed and opens the database anew; `store.commits_lost` follows if it could not. Find out "
    "who did it. To put a backup back, first stop every process that has the database open"
)
_GONE = (
    "was removed while the worker had it open. Stop the worker, remove {name}-wal and {name}-shm, "
    "put the backup back, start again. Messages wait in the queue meanwhile"
)
_RESTORE = (
    "both together would be no database. Stop every process that has it open, then remove its -wal "
    "and -shm if the new file is a backup, and start again"
)
_LOST = (
    "before their commits were in the database. Messages worked on since {since} are lost: their "
    "users may not be paused, and SQS no longer has them. SES's own records, Slack or the log "
    "(bounce_notification, complaint_notification, without addresses) tell of them"
)
_WHEN_UNKNOWN = "the -wal was last brought into the database"

log = structlog.get_logger()


class SqliteStore:
    """One connection that writes, opened when first needed and again after a failure."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = str(path)
        self.lock = WriterLock(path)
        self._opened: Opened | None = None
        self._to_be_opened_anew = False
        """By the next turn. Until then it is watched: the `-wal` may hold what nobody else has."""
        self._lost: CommitsLost | None = None
        self._reported: tuple[str, ...] = ()
        self._looks_for_room = 0

    @property
    def lost(self) -> CommitsLost | None:
        """What was lost with a removed file, whoever of this process has found it."""
        return self._lost

    @contextmanager
    def transaction(self) -> Iterator[SqliteTransaction]:
        """Begin; commit durably at the end of the block, or roll back.

        Raises:
            Unavailable: the file cannot be written now; nothing was, or it does not count.
            CommitsLost: earlier commits went with a file that somebody removed.

        """
        with self._lock():
            opened = self._opened = self._opened or Opened(self.path)
            try:
                opened.connection.execute("BEGIN IMMEDIATE")
                yield SqliteTransaction(opened.connection)
                opened.connection.execute("COMMIT")
                opened.look_where_it_went()
                self.lock.require_in_place()
                opened.checkpoint()
            except BaseException as error:
                self._roll_back(opened, error)
                raise

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Be the only one who writes, to files that are in place."""
        with self.lock.held(), translated(self.path, writes=True):
            self._leave_what_was_replaced()
            yield

    def probe(self) -> None:
        """Test whether the store can be written, by a write that is rolled back.

        Raises:
            Unavailable: they cannot, whatever the reason.
            Misconfigured: the file is something else now.

        """
        self._look_for_room()
        with self._lock():
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
            Unavailable: the file cannot be read, or was replaced before all was read.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with (
            translated(self.path),
            engine.transaction(self._reader, self._require_in_place) as connection,
        ):
            connection.exec_driver_sql("PRAGMA query_only = ON")
            yield connection

    @contextmanager
    def writing(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that writes; the file is made where there is none.

        Raises:
            Unavailable: the file cannot be written; or what was does not count.
            CommitsLost: as for `transaction`.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        with self._lock(), engine.transaction(self._writer, self._end_write) as connection:
            yield connection

    def _end_write(self, connection: sqlite.Connection) -> None:
        """Look where a commit went, before its connection is closed."""
        opened = Opened(self.path, connection)
        opened.look_where_it_went()
        self.lock.require_in_place()
        if self._opened is None:  # a command, which may be the last to have the file open
            opened.empty_wal()
        else:
            opened.checkpoint()

    @cached_property
    def _reader(self) -> "Engine":
        from worker.store import engine

        return engine.make("sqlite", self._look, begin="BEGIN")

    @cached_property
    def _writer(self) -> "Engine":
        from worker.store import engine

        making = partial(connect, self.path, create=True, cache_kib=SMALL_CACHE_KIB)
        return engine.make("sqlite", making, begin="BEGIN IMMEDIATE")

    def _look(self, *, trace: bool = True) -> sqlite.Connection:
        """Open the file to read it; before that, have our own files be those in place."""
        if (opened := self._opened) is not None and opened.misplaced():
            with self.lock.held(REPLACING_SECONDS):
                self._leave_what_was_replaced()
        return look(self.path, trace=trace)

    def _require_in_place(self, connection: sqlite.Connection) -> None:
        if gone := connection.misplaced():
            raise Unavailable(f"{self.path}: {named(gone)} was replaced while it was read")

    def _ask(self, question: Callable[[sqlite.Connection], T], *, trace: bool = True) -> T:
        with translated(self.path):
            with closing(self._look(trace=trace)) as connection:
                answer = question(connection)
                if connection.shared or nobody_writes(self.path):
                    self._require_in_place(connection)
                    return answer
            return self._ask(question)  # somebody began to write to what was read as immutable

    def revision(self) -> str | None:
        """Return the schema's revision; None where nothing has been made yet.

        Raises:
            Misconfigured: this is no database, or its tables are not ours.
            Unavailable: it cannot be read now.

        """
        return self._ask(self._read_revision, trace=False) if is_there(self.path) else None

    def _read_revision(self, connection: sqlite.Connection) -> str | None:
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
        return self._ask(
            lambda connection: [Unfinished(*row) for row in connection.execute(QUERY)], trace=False
        )

    def has_unfinished(self, lane: str) -> bool:
        """Return whether effects of a lane are not done; a tenth of what a claim costs.

        Raises:
            Unavailable: the file cannot be read now.

        """
        signals = {"lane": lane}
        return self._ask(
            lambda connection: bool(connection.execute(_ANY_UNFINISHED, signals).fetchone()[0])
        )

    def figures(self) -> Figures:
        """Count what waits; on a connection of its own.

        Raises:
            Unavailable: the file cannot be read now.

        """
        return self._ask(_count)

    def access_problem(self) -> AccessProblem | None:
        """Return why this process may not write the file, by whose it is; None: it may."""
        return wal_without_database(self.path) or access_problem(self.path)

    def break_off(self) -> None:
        """Do nothing: our waits have limits, and a hanging disk cannot be interrupted."""

    def who_holds(self) -> str:
        """Name whoever has a lock on the lock file or in the `-shm`, to end a sentence with."""
        real = os.path.realpath(self.path)
        return said_of_holders([f"{real}{LOCK}", f"{real}{SHM}"])

    def keep_open(self) -> None:
        """Do nothing: a file is opened in no time."""

    def close(self) -> None:
        """Let go of the file; who may only read it can go on to.

        Raises:
            CommitsLost: commits went with a file that somebody removed.
            Unavailable: the file was removed, or it is unknown what was lost with one.

        """
        try:
            if self._opened is not None and not self._lost:
                self._take_leave(self._opened)
        finally:
            self._drop()
            self.lock.close()
        if self._lost:
            raise self._lost

    def _take_leave(self, opened: Opened) -> None:
        if gone := opened.misplaced():
            self._report(gone)
            self._require_database()
            if "" not in gone:  # what took the place of the file is none of ours
                with self.lock.held(), translated(self.path, writes=True):
                    self._save(opened, gone)
            return
        with suppress(Unavailable), self.lock.held(CLOSING_SECONDS):
            if not opened.misplaced():
                opened.empty_wal()

    def _leave_what_was_replaced(self) -> None:
        """Have the file be opened anew if it, its -wal or its -shm is not in place any more.

        Raises:
            CommitsLost: what was only in a -wal that was removed is not to be had.
            Unavailable: not yet.

        """
        if self._lost:
            raise self._lost
        if (opened := self._opened) is None or not (gone := opened.misplaced()):
            self._reported = ()
            if self._to_be_opened_anew:
                self._drop()
            return
        self._report(gone)
        self._require_database()
        if "" in gone and WAL not in gone and self._wal_size():
            raise Unavailable(f"{self.path} was replaced, and its {WAL} was not: {_RESTORE}")
        self._save(opened, gone)
        shared = opened.connection.shared
        self._drop()
        if shared and not await_end(shared.database, REPLACING_SECONDS):
            what = named(gone)
            raise Unavailable(f"{self.path}: {what} was replaced, and this process still reads it")
        self._opened = Opened(self.path, begin_anew=True)

    def _save(self, opened: Opened, gone: tuple[str, ...]) -> None:
        if not opened.save_commits():
            files = " and ".join(f"{self.path}{suffix}" for suffix in gone)
            lost = _LOST.format(since=opened.all_in_database_at or _WHEN_UNKNOWN)
            self._lost = CommitsLost(f"Somebody removed {files} {lost}")
            log.critical("store.commits_lost", store=self.place, error=str(self._lost))
            raise self._lost

    def _wal_size(self) -> int:
        return Path(f"{os.path.realpath(self.path)}{WAL}").stat().st_size

    def _report(self, gone: tuple[str, ...]) -> None:
        if gone != self._reported:
            self._reported = gone
            files = [f"{self.place}{suffix}" for suffix in gone]
            hint = _REPLACED if identity(self.path) else self._said_gone()
            log.error("store.files_replaced", files=files, hint=hint)

    def _require_database(self) -> None:
        if identity(self.path) is None:
            raise Unavailable(self._said_gone())

    def _said_gone(self) -> str:
        return f"The database {self.path} {_GONE.format(name=self.path.name)}"

    def _look_for_room(self) -> None:
        """After a full disk a write of a single page proves nothing about the next batch."""
        if self._looks_for_room:
            self._looks_for_room -= 1
            with translated(self.path), suppress(FileNotFoundError):
                if shutil.disk_usage(self.path.parent).free < FREE_BYTES_TO_GO_ON:
                    raise Unavailable(f"{self.path.parent}: the disk is full")

    def _roll_back(self, opened: Opened, error: BaseException) -> None:
        """Leave nothing behind; after a problem of the file, or with SQLite, open it anew.

        Not before the next turn, which looks first whether its files are in place: an outage lasts,
        and somebody may remove the `-wal` meanwhile, on a full disk say.
        """
        opened.roll_back()
        if getattr(error, "sqlite_errorcode", None) in sqlite.FULL:
            self._looks_for_room = LOOKS_FOR_ROOM
        about_a_row = isinstance(
            error, sqlite3.DataError | sqlite3.IntegrityError | sqlite3.ProgrammingError
        )
        problem = isinstance(error, sqlite3.Error) and not about_a_row
        if problem or opened.connection.in_transaction or isinstance(error, Unavailable):
            self._to_be_opened_anew = True
        holds_others_up = opened.connection.in_transaction
        if holds_others_up or getattr(error, "sqlite_errorcode", None) in sqlite.UNSYNCED:
            with suppress(Unavailable):
                if not opened.misplaced():
                    self._drop()

    def _drop(self) -> None:
        opened, self._opened = self._opened, None
        self._to_be_opened_anew = False
        if opened is not None:
            opened.close()


def _count(connection: sqlite.Connection) -> Figures:
    effects = {(lane, kind, state): n for lane, kind, state, n in connection.execute(EFFECTS)}
    (quarantined,) = connection.execute(QUARANTINED).fetchone()
    return Figures(quarantined=quarantined, effects=effects)
