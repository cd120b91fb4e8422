"""Stores of any size with people's events spread over 90 days, for questions about them.

Nine of ten events are about users, the tenth about an address that is no user. Every address has
as many events as there are events for each user.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg

from worker.store import ensure_schema, open_store

DAYS = 90
_USERS = """
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :users)
    INSERT INTO users (
        email, email_key, hard_bounce_count, last_hard_bounce, paused_until, pause_reason
    )
    SELECT email, email, 1, bounced, datetime(bounced, '+30 days') || '.000000', 'hard_bounce'
    FROM (
        SELECT 'user' || i || '@example' || (i % 977) || '.com' AS email,
               strftime('%Y-%m-%d %H:%M:%S', 'now', -(i % 7776000) || ' seconds') || '.000000'
                   AS bounced
        FROM n
    )
"""
_INTO_EVENTS = """
    INSERT INTO events (
        dedupe_key, route_key, kind, type, subtype, recipient, recipient_as_reported, user_match,
        action, reason, occurred_at, received_at, feedback_id, ses_message_id, diagnostic, status,
        configuration_set, fault
    )
    SELECT id || ':d', id || ':r', 'bounce', 'Permanent', 'General', email, email, 'found',
           'hard_bounce', 'permanent', at, at, id, id,
           'smtp; 550 5.1.1 The email account that you tried to reach does not exist. user' || i,
           '5.1.1', 'main', 'recipient'
"""
_EVENTS = f"""
    WITH RECURSIVE n(i) AS (
        SELECT 0 WHERE :events > 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :events
    ), drawn AS (
        SELECT i, printf('0100%012x', i) AS head,
               CASE WHEN i % 10 = 9 THEN 'unknown' ELSE 'user' END || (i % :users)
                   || '@example' || (i % :users % 977) || '.com' AS email,
               lower(hex(randomblob(16))) AS chance,
               strftime('%Y-%m-%d %H:%M:%S', 'now',
                        CAST((CAST(i AS real) / :events - 1) * :seconds AS integer) || ' seconds')
                   || '.000000' AS at
        FROM n
    ), ids AS (SELECT *, head || '-' || chance || '-000000' AS id FROM drawn)
{_INTO_EVENTS}    FROM ids
"""
_POSTGRESQL_USERS = """
    INSERT INTO users (
        email, email_key, hard_bounce_count, last_hard_bounce, paused_until, pause_reason
    )
    SELECT email, email, 1, bounced, bounced + interval '30 days', 'hard_bounce'
    FROM (
        SELECT 'user' || i || '@example' || (i %% 977) || '.com' AS email,
               now() - (i %% 7776000) * interval '1 second' AS bounced
        FROM generate_series(0, %(users)s - 1) AS i
    ) AS drawn
"""
_POSTGRESQL_EVENTS = f"""
{_INTO_EVENTS}    FROM (
        SELECT i, '0100' || lpad(to_hex(i), 12, '0') || '-' || md5(i::text) || '-000000' AS id,
               CASE WHEN i %% 10 = 9 THEN 'unknown' ELSE 'user' END || (i %% %(users)s)
                   || '@example' || (i %% %(users)s %% 977) || '.com' AS email,
               now() - (1 - i::float / %(events)s) * %(seconds)s * interval '1 second' AS at
        FROM generate_series(0, %(events)s - 1) AS i
    ) AS drawn
"""


def spread(path: Path, users: int, events: int) -> None:
    """Make a file with so many users and events."""
    store = open_store(f"sqlite:///{path}")
    ensure_schema(store, migrate=True)
    store.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -500000"):
            connection.execute(f"PRAGMA {pragma}")
        indexes = [
            (name, sql)
            for name, sql in connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'events'"
            )
            if sql
        ]
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")  # sorting is faster than inserting
        connection.execute("BEGIN")
        connection.execute(_USERS, {"users": users})
        connection.execute(_EVENTS, {"users": users, "events": events, "seconds": DAYS * 86_400})
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def spread_postgresql(url: str, users: int, events: int) -> None:
    """Fill an empty database with so many users and events."""
    store = open_store(url)
    ensure_schema(store, migrate=True)
    store.close()
    facts = {"users": users, "events": events, "seconds": DAYS * 86_400}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename = 'events' AND indexname IN ('events_recipient', 'events_occurred')"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute(_POSTGRESQL_USERS, facts)
        connection.execute(_POSTGRESQL_EVENTS, facts)
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE")
