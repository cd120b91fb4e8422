"""The least work that does the job, as the floor and the peers do it: standard library only.

A message is an event row and an update of a user, in a transaction for each batch. SQLite
writes to a WAL and syncs every commit, as the worker has it.
"""

import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

_SCHEMA = """
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        email TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL DEFAULT 'ok',
        bounces INTEGER NOT NULL DEFAULT 0,
        complaints INTEGER NOT NULL DEFAULT 0,
        updated_at TEXT
    ) STRICT;
    CREATE TABLE events (
        id INTEGER PRIMARY KEY,
        dedupe_key TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        subtype TEXT,
        email TEXT NOT NULL,
        feedback_id TEXT,
        ses_message_id TEXT,
        occurred_at TEXT,
        sqs_message_id TEXT,
        raw TEXT
    ) STRICT;
"""
_ADD_EVENT = """
    INSERT INTO events (
        dedupe_key, kind, subtype, email, feedback_id, ses_message_id, occurred_at,
        sqs_message_id, raw
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dedupe_key) DO NOTHING
"""
_BOUNCED = """
    UPDATE users SET bounces = bounces + 1, updated_at = ?,
        status = CASE WHEN ? = 'Permanent' THEN 'suppressed' ELSE status END
    WHERE email = ?
"""
_COMPLAINED = """
    UPDATE users SET complaints = complaints + 1, updated_at = ?, status = 'suppressed'
    WHERE email = ?
"""
_COUNTS = """
    SELECT (SELECT count(*) FROM events), (SELECT sum(bounces) + sum(complaints) FROM users)
"""


def make_template(path: Path, emails: Iterable[str]) -> None:
    """Make a database with users and no events."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(_SCHEMA)
        users = ((email,) for email in emails)
        connection.executemany("INSERT INTO users (email) VALUES (?)", users)


def copy(template: Path, path: Path) -> Path:
    """Make a fresh copy, without the files of an earlier copy."""
    for suffix in ("", "-wal", "-shm", ".lock"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    shutil.copyfile(template, path)
    with path.open("rb") as copied:
        os.fsync(copied.fileno())  # else the disk would write it during a measurement
    return path


def open_database(path: Path) -> sqlite3.Connection:
    """Open it as durable as the worker does."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def apply(connection: sqlite3.Connection, messages: Iterable[Mapping[str, Any]]) -> None:
    """Read the bodies of received messages, and write them in a transaction."""
    rows = [row for message in messages for row in _rows(message["Body"], message["MessageId"])]
    connection.execute("BEGIN IMMEDIATE")
    for row in rows:
        _, kind, subtype, email, _, _, occurred_at, _, _ = row
        if not connection.execute(_ADD_EVENT, row).rowcount:
            continue
        if kind == "Bounce":
            connection.execute(_BOUNCED, (occurred_at, subtype, email))
        else:
            connection.execute(_COMPLAINED, (occurred_at, email))
    connection.execute("COMMIT")


def _rows(body: str, sqs_message_id: str) -> list[tuple[Any, ...]]:
    text = json.loads(body)["Message"]
    options = json.loads(text)
    kind = options["eventType"]
    if kind == "Bounce":
        report = options["bounce"]
        subtype, recipients = report["bounceType"], report["bouncedRecipients"]
    else:
        report = options["complaint"]
        subtype, recipients = report.get("complaintFeedbackType"), report["complainedRecipients"]
    found = []
    for recipient in recipients:
        email, feedback_id = recipient["emailAddress"].lower(), report["feedbackId"]
        found.append((
            f"{feedback_id}|{email}", kind, subtype, email, feedback_id,
            options["mail"]["messageId"], report["timestamp"], sqs_message_id, text,
        ))  # fmt: skip
    return found


def counts(path: Path) -> tuple[int, int]:
    """Count events, and what has been counted for users."""
    with closing(sqlite3.connect(path)) as connection:
        events, counted = connection.execute(_COUNTS).fetchone()
        return events, counted
