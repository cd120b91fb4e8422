"""Stores that have grown: written by SQL into the schema that the worker has made.

Rows are as the worker writes them, every 10 ms until the stub's first message, with ids that
begin with their time as SES's do. New messages are about users all over the table.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from bench import yardstick
from bench.places import OUT, WORKER
from bench.processes import run_together
from bench.stores import COUNTS

COPIED = 100_000
"""Stores of so many events are copied for each run; larger stores grow by what is drained."""
FIRST_EVENT = 1_790_000_000_000
"""Milliseconds, as the stub has it."""

_USERS = """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :users)
    INSERT INTO users (email, email_key, hard_bounce_count)
    SELECT 'user' || i || '@example' || (i % 977) || '.com',
           'user' || i || '@example' || (i % 977) || '.com',
           :events / :users
    FROM n
"""
_EVENTS = """
    WITH RECURSIVE n(i) AS (
        SELECT 0 WHERE :events > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :events
    ), drawn AS (
        SELECT i, printf('0100%012x', :now - (:events - i) * 10) AS head,
               'user' || (i % :users) || '@example' || (i % :users % 977) || '.com' AS email,
               lower(hex(randomblob(16))) AS chance
        FROM n
    ), ids AS (
        SELECT *, head || '-' || substr(chance, 1, 8) || '-' || substr(chance, 9, 4) || '-4'
               || substr(chance, 13, 3) || '-' || substr(chance, 16, 4) || '-'
               || substr(chance, 20, 12) || '-000000' AS id
        FROM drawn
    )
    INSERT INTO events (
        dedupe_key, route_key, kind, type, subtype, recipient, recipient_as_reported, user_match,
        action, reason, occurred_at, received_at, feedback_id, ses_message_id, diagnostic, status
    )
    SELECT id || ':' || substr(chance, 1, 24), id || ':' || substr(chance, 9, 24), 'bounce',
           'Permanent', 'General', email, email, 'exact', 'hard_bounce', 'Permanent bounce',
           '2026-09-01 10:00:00.000000', '2026-09-01 10:00:01.000000', id, id,
           'smtp; 550 5.1.1 The email account that you tried to reach does not exist. user' || i,
           '5.1.1'
    FROM ids
"""


class GrownStore:
    """A SQLite file with so many users and events; removed with `remove`."""

    def __init__(self, users: int, events: int, surroundings: Mapping[str, str]) -> None:
        self.users = users
        self.events = users * (events // users)
        """Each user has as many."""
        self.known = self.events
        """What the file holds now."""
        self._template = OUT / f"grown-{users}-{events}.db"
        self._run = OUT / "grown-run.db"
        self.remove()
        store = {"SES_WORKER_STORE__URL": f"sqlite:///{self._template}"}
        upgrade = [str(WORKER), "db", "upgrade"]
        try:
            run_together([upgrade], {**surroundings, **store}, OUT / "import")
            fill(self._template, users, self.events)
        except BaseException:  # Ctrl-C: the caller has no store to remove yet
            self.remove()
            raise

    @property
    def _path(self) -> Path:
        return self._run if self.events <= COPIED else self._template

    def fresh(self) -> str:
        """Copy the file, if it is small."""
        if self._path == self._run:
            yardstick.copy(self._template, self._run)
            self.known = self.events
        return self.url

    @property
    def url(self) -> str:
        """`store.url` of the file as it is."""
        return f"sqlite:///{self._path}"

    def counts(self) -> tuple[int, int]:
        """Count events, and what has been counted for users."""
        with closing(sqlite3.connect(self._path)) as connection:
            events, counted = connection.execute(COUNTS).fetchone()
            return events, counted

    @property
    def bytes(self) -> int:
        """The size of the file."""
        return self._template.stat().st_size

    def remove(self) -> None:
        """Give the disk back."""
        for path in (self._template, self._run):
            for left in OUT.glob(path.name + "*"):
                left.unlink()


def fill(path: Path, users: int, events: int) -> None:
    """Write rows into an empty file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # As fast as possible: an unfinished file is deleted.
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            connection.execute(f"PRAGMA {pragma}")
        (recipients,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'events_bucket'"
        ).fetchone()
        connection.execute("DROP INDEX events_bucket")  # sorting is faster than inserting
        connection.execute("BEGIN")
        facts = {"users": users, "events": events, "now": FIRST_EVENT}
        connection.execute(_USERS, facts)
        connection.execute(_EVENTS, facts)
        connection.execute(recipients)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
