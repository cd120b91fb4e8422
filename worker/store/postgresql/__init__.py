"""The store in PostgreSQL, for several machines."""

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from worker.core.errors import Locked, Refused, Unavailable
from worker.store.figures import EFFECTS, QUARANTINED, Figures
from worker.store.home import Home
from worker.store.in_force import keep_if_changed
from worker.store.needs import Needs
from worker.store.postgresql.connection import begin, begin_snapshot, connect, in_transaction
from worker.store.postgresql.errors import LOCKED, translated
from worker.store.postgresql.figures import PostgresqlFigures
from worker.store.postgresql.rights import find_home, is_about_rights, lacking_rights
from worker.store.postgresql.transaction import PostgresqlTransaction
from worker.store.postgresql.url import place_of
from worker.store.postgresql.vacuuming import vacuum
from worker.store.postgresql.waiting import RowWaits
from worker.store.revision import VERSION_TABLE, is_ours
from worker.store.rights import AccessProblem
from worker.store.sample import RollBack, probing, write_sample
from worker.store.unfinished import ANY, QUERY, Unfinished
from worker.timing.deadlines import left

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

WRITER_SECONDS = 30.0
"""How long a thread waits for another thread's transaction."""

LOOKS_AT_SESSIONS = 10
"""Attempts to find no session of another worker, a tenth of a second apart."""
_OTHER_SESSIONS = """
    SELECT pid FROM pg_stat_activity
    WHERE application_name = 'ses-worker' AND datname = current_database()
        AND pid <> pg_backend_pid()
    ORDER BY pid
"""
_ANY_UNFINISHED = ANY.format(lane="%(lane)s")


class PostgresqlStore:
    """A session for the message path, and others for commands, the relay and figures."""

    lost = None
    """Always None: the files belong to the server."""

    def __init__(self, url: str, needs: Needs) -> None:
        """`needs`: what this process does, which decides the rights that its role needs."""
        self.url = url
        self._needs = needs
        self.place = place_of(url)
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._engine: Engine | None = None
        self._kept = 0
        self._waits = RowWaits()
        self._is_about_rights: bool | None = None
        """Whether the last error was about rights; None: it was a success."""

    @contextmanager
    def transaction(self) -> Iterator[PostgresqlTransaction]:
        """Begin; commit durably at the end of the block, or roll back.

        Raises:
            Unavailable: the server cannot be written to now. Nothing was written; or the connection
                was lost during the commit, and it is unknown whether it took effect.
            Locked: another session has locked rows or a table.
            Raced: another session wrote the same rows; start over.

        """
        with self._in_transaction(lock_timeout=self._waits.lock_timeout()) as connection:
            try:
                yield PostgresqlTransaction(connection, self._waits)
            except psycopg.errors.LockNotAvailable as error:
                self._waits.timed_out()
                raise Locked(LOCKED) from error

    @contextmanager
    def _in_transaction(self, **settings: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        with self._alone(), self._translated():
            if self._connection is None or self._connection.closed:
                self._connection = connect(self.url)
            with in_transaction(self._connection, **settings) as connection:
                yield connection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=max(0.0, min(WRITER_SECONDS, left()))):
            raise Unavailable("another thread has been writing for too long")
        try:
            yield
        finally:
            self._lock.release()

    def probe(self) -> None:
        """Test whether the store can be written, by a write that is rolled back.

        Raises:
            Unavailable: it cannot, whatever the reason.

        """
        with self._alone():
            self.close()  # the old session may be the problem
        with probing(), self._in_transaction() as connection:
            write_sample(PostgresqlTransaction(connection))
            raise RollBack
        with probing(), self._in_transaction() as connection:
            PostgresqlTransaction(connection).touch()

    @contextmanager
    def read_transaction(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that only reads.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self.write_transaction() as connection:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator["Connection"]:
        """Begin as `read_transaction`; all is read as of the first query, for as long as it takes.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self.write_transaction() as connection:
            session = connection.connection.driver_connection
            session.rollback()  # type: ignore[union-attr]
            begin_snapshot(session)  # type: ignore[arg-type]
            yield connection

    @contextmanager
    def write_transaction(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that writes.

        Raises:
            Unavailable: the server cannot be reached, or cannot be written to.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        if self._engine is None:
            connecting = partial(connect, self.url)
            self._engine = engine.make(
                "postgresql+psycopg", connecting, begin=begin, kept=self._kept
            )
        with self._translated(), engine.transaction(self._engine) as connection:
            yield connection

    brief_write_transaction = write_transaction
    """Nobody waits for a session to be opened."""

    def copy_wal(self, pages: int) -> float:  # noqa: ARG002 of SQLite alone
        """Do nothing: the server copies its own."""
        return 0.0

    def revision(self) -> str | None:
        """Return the schema's revision; None if there is no schema yet.

        Raises:
            Misconfigured: the tables are another program's.
            Unavailable: the server cannot be reached.

        """
        with self._once() as connection:
            tables = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
            )
            if not is_ours([name for (name,) in tables], "the schema in PostgreSQL"):
                return None
            row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
            return row[0] if row else None

    def unfinished(self) -> list[Unfinished]:
        """Count the effects that are not finished.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self._once() as connection:
            return [Unfinished(*row) for row in connection.execute(QUERY)]

    def has_unfinished(self, lane: str) -> bool:
        """Return whether a lane has effects that are not finished, on the session that stays open.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self.read_transaction() as connection:
            return bool(connection.exec_driver_sql(_ANY_UNFINISHED, {"lane": lane}).scalar_one())

    def figures(self) -> Figures:
        """Count effects and quarantined messages, in a session of its own.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self._once() as connection:
            rows = connection.execute(EFFECTS).fetchall()
            (quarantined,) = connection.execute(QUARANTINED).fetchall()[0]
        effects = {(lane, kind, state): count for lane, kind, state, count in rows}
        return Figures(quarantined=quarantined, effects=effects)

    def keep_policy(self, values: Mapping[str, str]) -> Mapping[str, str]:
        """Keep the policy in force; write only if it has changed. Return what was kept before.

        Raises:
            Unavailable, Locked: as for `transaction`.

        """
        with self.transaction() as transaction:
            return keep_if_changed(transaction, values)

    @contextmanager
    def adding_up(self) -> Iterator[PostgresqlFigures]:
        """Begin a transaction that adds up figures.

        Raises:
            Unavailable, Locked: as for `transaction`.

        """
        with self.transaction() as transaction:
            yield transaction.figures

    def ask(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Answer a query in a session of its own; see `Store.ask`.

        Raises:
            Unavailable: the server cannot be reached.

        """
        statement = query.format_map({name: f"%({name})s" for name in values})
        with self._once() as connection:
            return connection.execute(statement, values).fetchall()

    @contextmanager
    def _once(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Run a transaction in a session of its own."""
        with (
            self._translated(),
            connect(self.url) as session,
            in_transaction(session) as connection,
        ):
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors as `translated`; add to an error about rights what grants them."""
        try:
            with translated():
                yield
        except Unavailable as error:
            self._is_about_rights = is_about_rights(error.__cause__)
            if self._is_about_rights and (problem := lacking_rights(self.url, self._needs)):
                fix = f"{problem.fix[0].upper()}{problem.fix[1:]}"
                raise type(error)(f"{error}. {fix}") from error.__cause__
            raise
        self._is_about_rights = None

    def break_off(self) -> None:
        """Shut down the session's socket; a stopped server keeps it open and never answers."""
        connection = self._connection
        if connection is not None:
            with (
                suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(connection.fileno())) as ours,
            ):
                ours.shutdown(socket.SHUT_RDWR)

    def overwrite_deleted(self) -> None:
        """Do nothing: `VACUUM` does it afterwards."""

    def wipe(self, keys: Sequence[str]) -> str:  # noqa: ARG002 of all deleted rows
        """Vacuum the tables; see `Store.wipe`.

        Raises:
            Unavailable: the server cannot be reached.
            Refused: some tables belong to another role, which must do it.

        """
        if not_ours := vacuum(self.url):
            raise Refused(
                "the files of the tables still have the deleted rows, which another role owns; as "
                f"that role: VACUUM (ANALYZE) {', '.join(not_ours)}"
            )
        return ""

    def access_problem(self) -> AccessProblem | None:
        """Return which rights the role lacks, and what grants them; None: none, or unknown."""
        # A server that has just not answered is not called again.
        return None if self._is_about_rights is False else lacking_rights(self.url, self._needs)

    def home(self) -> Home | None:
        """Return where in the server the tables are, or will be; None: unknown."""
        return find_home(self.url)

    def disk_space(self) -> None:
        """Return None: the disk is the server's."""

    def who_holds(self) -> str:
        """Return nothing: the server's own processes hold its locks."""
        return ""

    def workers(self) -> str:
        """Name the server's processes with a session of another worker.

        Through a pooler it names sessions that the pooler keeps for later use, too.

        Raises:
            Unavailable: the server cannot be reached.

        """
        for _ in range(LOOKS_AT_SESSIONS):  # the server takes a moment to end our own
            with self._once() as connection:
                ids = [str(id_) for (id_,) in connection.execute(_OTHER_SESSIONS)]
            if not ids:
                return ""
            time.sleep(0.1)
        return f"sessions of the server's processes {', '.join(ids)}"

    def keep_open(self) -> None:
        """Keep a session of `read_transaction` and `write_transaction` open, for frequent use."""
        self._kept = 1

    def close(self) -> None:
        """Close all sessions."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._engine is not None:
            self._engine.dispose()
