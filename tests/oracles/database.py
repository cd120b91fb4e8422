"""The database as another program sees it: read-only, on connections of its own."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg

from oracles.parsing import Recipient, SesFeedback, Sort

OURS = "oracles"
"""The name under which PostgreSQL knows our sessions."""


class Row(NamedTuple):
    """A row of `events`, as far as it shows what was applied."""

    kind: str
    feedback_id: str
    ses_message_id: str
    type: str | None
    subtype: str | None
    at: datetime
    recipient: str

    def describes(self, expected: SesFeedback) -> bool:
        """Return whether the row is of this notification, by either of its two names."""
        by_id, by_route = expected.names
        return by_id == ("id", self.kind, self.feedback_id) or by_route == (
            "route", self.kind, self.ses_message_id, self.type, self.subtype, self.at,
        )  # fmt: skip


_EVENT = "kind, feedback_id, ses_message_id, type, subtype, occurred_at, recipient"
_BUCKETS = """(
    WITH RECURSIVE buckets (bucket) AS (
        SELECT max(id) / 4096 FROM events UNION ALL SELECT bucket - 1 FROM buckets WHERE bucket > 0
    ) SELECT bucket FROM buckets
) CROSS JOIN events WHERE id / 4096 = bucket AND"""
"""What goes before `recipient = ?`, for SQLite to use its index `events_bucket`."""


class Database:
    """Every query sees what is committed by then. Thread-safe: each has a connection meanwhile."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_sqlite = url.startswith("sqlite:///")
        self._lock = threading.Lock()
        self._idle: list[Any] = []

    def close(self) -> None:
        """Close the connections."""
        for connection in self._idle:
            connection.close()

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; places for values are question marks."""
        with self._query(query, values) as cursor:
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def events(self) -> Iterator[Row]:
        """All rows of `events`."""
        with self._query(f"SELECT {_EVENT} FROM events ORDER BY id", ()) as cursor:
            while some := cursor.fetchmany(1_000):
                yield from map(self._row, some)

    def missing(self, expected: SesFeedback) -> list[Recipient]:
        """Return the recipients of a notification that have no row."""
        if expected.sort is not Sort.FEEDBACK:
            return []
        return [row for row, rows in self._rows_of(expected) if not rows]

    def is_user(self, key: str) -> bool:
        """Return whether an address belongs to a user."""
        return bool(self.rows("SELECT 1 FROM users WHERE email_key = ?", (key,)))

    def quarantined(self, body: str) -> list[str]:
        """The reasons with which a body was dead-lettered in the database."""
        written = _bytes(body)
        # Both databases know a length without reading the body, which may be a megabyte long.
        query = "SELECT reason FROM quarantine WHERE length(body) = ? AND body = ?"
        found = self.rows(query, (len(written), written))
        return [reason for (reason,) in found]

    def all_quarantined(self) -> list[tuple[str, str]]:
        """Bodies that were dead-lettered in the database, each with its reason."""
        found = self.rows("SELECT body, reason FROM quarantine")
        return [(bytes(body).decode("utf-8", "surrogatepass"), reason) for body, reason in found]

    def moment(self, value: Any) -> datetime:
        """Read a time."""
        if isinstance(value, str):
            return datetime.fromisoformat(value).replace(tzinfo=UTC)
        found: datetime = value.astimezone(UTC)
        return found

    def _rows_of(self, expected: SesFeedback) -> Iterator[tuple[Recipient, list[Row]]]:
        nameless = 0
        for recipient in expected.recipients:
            found = self.rows(
                f"SELECT {_EVENT} FROM {_BUCKETS if self._is_sqlite else 'events WHERE'}"
                " recipient = ? AND (feedback_id = ? OR ses_message_id = ?)",
                (recipient.key, expected.feedback_id, expected.ses_message_id),
            )
            rows = [row for row in map(self._row, found) if row.describes(expected)]
            if not recipient.key:  # the second of them wants a second row
                rows, nameless = rows[nameless:], nameless + 1
            yield recipient, rows

    def _row(self, found: tuple[Any, ...]) -> Row:
        kind, feedback_id, message_id, type_, subtype, at, recipient = found
        return Row(kind, feedback_id, message_id, type_, subtype, self.moment(at), recipient)

    @contextmanager
    def _query(self, query: str, values: Sequence[Any]) -> Iterator[Any]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        query = query if self._is_sqlite else query.replace("?", "%s")
        with closing(connection.execute(query, tuple(values))) as cursor:
            yield cursor
        with self._lock:
            self._idle.append(connection)

    def _connect(self) -> Any:
        if self._is_sqlite:
            return sqlite3.connect(
                f"file:{self._url.removeprefix('sqlite:///')}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
            )
        read_only = "-c default_transaction_read_only=on"
        return psycopg.connect(self._url, autocommit=True, application_name=OURS, options=read_only)


def _bytes(body: str) -> bytes:
    return body.encode("utf-8", "surrogatepass")
