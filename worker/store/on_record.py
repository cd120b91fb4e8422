"""Gives a new user the record that follows from the events which are on record already."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import asdict
from sqlalchemy import Connection, bindparam, delete, insert, select, text, update
from sqlalchemy.dialects import postgresql

from worker.core.folding import Fold, Person
from worker.core.model import User
from worker.core.policy import Policy
from worker.store.recorded import (
    FEW,
    KEYS_IN_A_STATEMENT,
    events_of,
    first_records_of,
    newest_event,
    records_of,
)
from worker.store.rows import FEEDBACK_COLUMNS
from worker.store.schema import imported_users, users

_HAS_EVENTS = "SELECT EXISTS (SELECT 1 FROM events_by_recipient WHERE recipient = :key)"
_MANY = """
    SELECT DISTINCT recipient FROM events
    WHERE recipient IN (SELECT value FROM json_each(:keys))
"""
_THESE = """
    SELECT key FROM unnest(:keys) AS given (key)
    WHERE EXISTS (SELECT 1 FROM events WHERE recipient = key)
"""
_EMPTY = User(email="", email_key="")
_CHANGE = (
    update(users)
    .where(users.c.email_key == bindparam("key"))
    .values({name: bindparam(name) for name in FEEDBACK_COLUMNS})
)


def users_among(connection: Connection, keys: Sequence[str]) -> frozenset[str]:
    """Return which of these addresses are users."""
    known: set[str] = set()
    for start in range(0, len(keys), KEYS_IN_A_STATEMENT):
        is_meant = users.c.email_key.in_(keys[start : start + KEYS_IN_A_STATEMENT])
        known.update(connection.execute(select(users.c.email_key).where(is_meant)).scalars())
    return frozenset(known)


def keep_workers_out(connection: Connection, keys: Sequence[str]) -> None:
    """Let no worker decide about one of these addresses as about no user while it becomes a user.

    What a worker writes between the fold and the commit would never become a part of the record.
    A session that reads `users` to change it holds a lock in the mode ROW SHARE. SQLite locks the
    whole file anyhow.
    """
    if connection.dialect.name == "postgresql" and len(users_among(connection, keys)) < len(keys):
        connection.exec_driver_sql("LOCK TABLE users IN EXCLUSIVE MODE")


def with_events(connection: Connection, keys: Sequence[str]) -> list[str]:
    """Return which of these addresses have events."""
    if connection.dialect.name == "postgresql":
        query = text(_THESE).bindparams(bindparam("keys", type_=postgresql.ARRAY(postgresql.TEXT)))
        return sorted(connection.execute(query, {"keys": list(keys)}).scalars())
    if len(keys) <= FEW:
        query = text(_HAS_EVENTS)
        return [key for key in keys if connection.execute(query, {"key": key}).scalar_one()]
    listed = msgspec.json.encode(keys).decode()
    return sorted(connection.execute(text(_MANY), {"keys": listed}).scalars())


def folded(
    connection: Connection, keys: Sequence[str], policy: Policy
) -> dict[str, tuple[Person, User]]:
    """Lock the users among these addresses, and fold all that is on record about them."""
    records = records_of(connection, keys, lock=True)
    first = first_records_of(connection, records)
    people = {key: Person(key, user, first.get(key)) for key, user in records.items()}
    folds = {key: Fold(person.start, policy) for key, person in people.items()}
    for event in events_of(connection, sorted(people)):
        fold = folds[event.recipient]
        if people[event.recipient].takes(event):
            fold.add(event)
        else:
            fold.remember(event)
    return {key: (person, person.finished(folds[key].user)) for key, person in people.items()}


def write_records(connection: Connection, changed: Sequence[User]) -> None:
    """Replace the columns of feedback of these users."""
    if changed:
        connection.execute(_CHANGE, [{"key": user.email_key, **_record(user)} for user in changed])


def fold_new(connection: Connection, keys: Sequence[str], policy: Policy) -> list[User]:
    """Fold what is on record about users who are new; return those about whom something is."""
    forget_first_records(connection, keys)
    known = with_events(connection, keys)
    found = folded(connection, known, policy)
    changed = [user for _, user in found.values()]
    write_records(connection, changed)
    return changed


def keep_first_records(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Keep the records with which new users begin, and ignore what is on record about them.

    Returns the addresses about which something is.
    """
    keys = [row["email_key"] for row in rows]
    forget_first_records(connection, keys)
    known = with_events(connection, keys)
    empty, has_events = _record(_EMPTY), frozenset(known)
    newest = newest_event(connection)
    kept = [
        {"email_key": row["email_key"], "after_event": newest, **record}
        for row in rows
        if (record := {name: row.get(name, empty[name]) for name in FEEDBACK_COLUMNS}) != empty
        or row["email_key"] in has_events
    ]
    if kept:
        connection.execute(insert(imported_users), kept)
    return known


def forget_first_records(connection: Connection, keys: Sequence[str]) -> None:
    """Forget the records with which former users of these addresses began."""
    for start in range(0, len(keys), KEYS_IN_A_STATEMENT):
        some = keys[start : start + KEYS_IN_A_STATEMENT]
        connection.execute(delete(imported_users).where(imported_users.c.email_key.in_(some)))


def _record(user: User) -> dict[str, Any]:
    values = asdict(user)
    return {name: values[name] for name in FEEDBACK_COLUMNS}
