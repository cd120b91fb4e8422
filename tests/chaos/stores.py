"""The database of a run: its users, and what can happen to it meanwhile."""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg
from oracles.database import OURS

from worker.store import ensure_schema, open_store

_LONG_AGO = "2000-01-01 00:00:00.000000"


class Disturbed:
    """Written to by us, beside the workers, as an operator or an accident does."""

    def __init__(self, url: str, users: Sequence[str]) -> None:
        self._url = url
        self._is_sqlite = url.startswith("sqlite:///")
        store = open_store(url)
        ensure_schema(store, migrate=True)
        store.close()
        self.add_users(users)

    def add_users(self, users: Sequence[str]) -> None:
        """Import them, as an operator does."""
        with self._connected() as connection:
            place = "?" if self._is_sqlite else "%s"
            connection.cursor().executemany(
                f"INSERT INTO users (email, email_key) VALUES ({place}, {place})",
                [(address, address) for address in users],
            )
            connection.commit()

    def rename_a_column(self) -> None:
        """From now on no event can be written; a look that does not want this column still
        works."""
        self._do("ALTER TABLE events RENAME COLUMN recipient_as_reported TO as_reported")

    def recover(self) -> None:
        """Give the column its name again."""
        self._do("ALTER TABLE events RENAME COLUMN as_reported TO recipient_as_reported")

    def end_sessions(self) -> None:
        """Have PostgreSQL end every session but the oracles'; with SQLite nothing happens."""
        if not self._is_sqlite:
            self._do(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                f" current_database() AND application_name <> '{OURS}' AND pid <> pg_backend_pid()"
            )

    def hold(self, seconds: float) -> None:
        """Lock the events against all writers."""
        with self._connected() as connection:
            if self._is_sqlite:
                connection.execute("BEGIN IMMEDIATE")
            else:
                connection.execute("LOCK TABLE events IN EXCLUSIVE MODE")
            time.sleep(seconds)
            connection.rollback()

    def let_time_pass(self) -> None:
        """Have every lease in the outbox be over, and every pause: as if an hour had passed."""
        self._do(f"UPDATE outbox SET due_at = '{_LONG_AGO}' WHERE state IN ('waiting', 'claimed')")
        self._do(f"UPDATE limits SET next_at = '{_LONG_AGO}', failures = 0, folded_at = NULL")

    def _do(self, statement: str) -> None:
        with self._connected() as connection:
            connection.execute(statement)
            connection.commit()

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        if self._is_sqlite:
            path = self._url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
                yield connection
        else:
            with closing(psycopg.connect(self._url, application_name=OURS)) as connection:
                yield connection
