"""The store in PostgreSQL, for several machines."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from worker.core.errors import Locked, Unavailable
from worker.store.figures import EFFECTS, QUARANTINED, Figures
from worker.store.postgresql.connection import (
    LOCKED,
    begin,
    connect,
    in_transaction,
    translated,
)
from worker.store.postgresql.transaction import PostgresqlTransaction
from worker.store.postgresql.url import place_of
from worker.store.postgresql.waiting import RowWaits
from worker.store.revision import VERSION_TABLE, is_ours
from worker.store.sample import RollBack, probing, write_sample
from worker.store.unfinished import ANY, QUERY, Unfinished
from worker.timing.deadlines import left

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

TURN_SECONDS = 30.0
"""How long a thread waits for another one's transaction."""

_ANY_UNFINISHED = ANY.format(lane="%(lane)s")


class PostgresqlStore:
    """One session that writes, opened when first needed and again after a failure."""

    lost = None
    """No file of its server's is ours to miss."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.place = place_of(url)
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[tuple[Any, ...]] | None = None
        self._engine: Engine | None = None
        self._kept = 0
        self._waits = RowWaits()

    @contextmanager
    def transaction(self) -> Iterator[PostgresqlTransaction]:
        """Begin; commit durably at the end of the block, or roll back.

        Raises:
            Unavailable: the server cannot be written to now; nothing was, or (a connection lost
                while committing) it is not known whether it was.
            Locked: another session holds rows that it needs, or a table.
            Raced: start over.

        """
        with self._in_transaction(lock_timeout=self._waits.lock_timeout()) as connection:
            try:
                yield PostgresqlTransaction(connection, self._waits)
            except psycopg.errors.LockNotAvailable as error:
                self._waits.timed_out()
                raise Locked(LOCKED) from error

    @contextmanager
    def _in_transaction(self, **settings: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        with self._alone(), translated():
            if self._connection is None or self._connection.closed:
                self._connection = connect(self.url)
            with in_transaction(self._connection, **settings) as connection:
                yield connection

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=max(0.0, min(TURN_SECONDS, left()))):
            raise Unavailable("another thread has been writing for too long")
        try:
            yield
        finally:
            self._lock.release()

    def probe(self) -> None:
        """Test whether the store can be written, by a write that is rolled back.

        Raises:
            Unavailable: they cannot, whatever the reason.

        """
        with self._alone():
            self.close()  # the old session may be the problem
        with probing(), self._in_transaction() as connection:
            write_sample(PostgresqlTransaction(connection))
            raise RollBack
        with probing(), self._in_transaction() as connection:
            PostgresqlTransaction(connection).touch()

    @contextmanager
    def reading(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that only reads.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self.writing() as connection:
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            yield connection

    @contextmanager
    def writing(self) -> Iterator["Connection"]:
        """Begin a SQLAlchemy transaction that writes.

        Raises:
            Unavailable: the server cannot be reached, or not written to.

        """
        from worker.store import engine  # only here: it takes 0.2 s to import

        if self._engine is None:
            connecting = partial(connect, self.url)
            self._engine = engine.make(
                "postgresql+psycopg", connecting, begin=begin, kept=self._kept
            )
        with translated(), engine.transaction(self._engine) as connection:
            yield connection

    def revision(self) -> str | None:
        """Return the schema's revision; None where nothing has been made yet.

        Raises:
            Misconfigured: the tables are not ours.
            Unavailable: the server cannot be reached.

        """
        with self._once() as connection:
            found = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
            )
            if not is_ours([name for (name,) in found], "the schema in PostgreSQL"):
                return None
            row = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
            return row[0] if row else None

    def unfinished(self) -> list[Unfinished]:
        """Count the effects that are not done.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self._once() as connection:
            return [Unfinished(*row) for row in connection.execute(QUERY)]

    def has_unfinished(self, lane: str) -> bool:
        """Return whether effects of a lane are not done; on the session that is kept open.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self.reading() as connection:
            found = connection.exec_driver_sql(_ANY_UNFINISHED, {"lane": lane})
            return bool(found.scalar_one())

    def figures(self) -> Figures:
        """Count what waits; on a connection of its own.

        Raises:
            Unavailable: the server cannot be reached.

        """
        with self._once() as connection:
            rows = connection.execute(EFFECTS).fetchall()
            (quarantined,) = connection.execute(QUARANTINED).fetchall()[0]
        effects = {(lane, kind, state): count for lane, kind, state, count in rows}
        return Figures(quarantined=quarantined, effects=effects)

    @contextmanager
    def _once(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """One transaction in a session of its own."""
        with translated(), connect(self.url) as session, in_transaction(session) as connection:
            yield connection

    def break_off(self) -> None:
        """Shut the session's socket: a server that was stopped keeps it open and never answers."""
        connection = self._connection
        if connection is not None:
            with (
                suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(connection.fileno())) as ours,
            ):
                ours.shutdown(socket.SHUT_RDWR)

    def access_problem(self) -> None:
        """None: the role's permissions are not checked."""

    def who_holds(self) -> str:
        """Say nothing: the server's own processes hold its locks."""
        return ""

    def keep_open(self) -> None:
        """Keep a session of `reading` and `writing` open, for frequent use."""
        self._kept = 1

    def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._engine is not None:
            self._engine.dispose()
