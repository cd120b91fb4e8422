"""Writes a bite: makes sure that what it was planned for is still true, keeps keys, deletes events.

While a bite is written in SQLite no message is. So there are few statements: after each of them the
thread has to wait for the interpreter.
"""

from secrets import token_hex
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from worker.core.folding import FirstRecord
from worker.core.purged import PURGED_UNTIL
from worker.core.times import iso_text, time_text
from worker.store.purging.biting import Faster
from worker.store.purging.planning import Planned
from worker.store.purging.statements import (
    delete_rows,
    keep_keys,
    keep_progress,
    note_purged_until,
    read_progress,
)
from worker.store.recorded import count_between, first_records_of, records_of
from worker.store.rows import FEEDBACK_COLUMNS, USER_TIMES

GENERATION = "purge_turn"
"""Of the row in `progress` that each bite changes whose events go because others stay."""
_NAMES = ("email_key", "after_event", *FEEDBACK_COLUMNS)
_STATE = f"""
    SELECT json_object(
        'generation', (SELECT value FROM progress WHERE name = '{GENERATION}'),
        'mark', (SELECT value FROM progress WHERE name = '{PURGED_UNTIL}'),
        'users', json((
            SELECT json_group_array(email_key) FROM users
            WHERE email_key IN (SELECT value FROM json_each(:keys))
        )),
        'after', json((
            SELECT json_group_object(email_key, after_event) FROM imported_users
            WHERE email_key IN (SELECT value FROM json_each(:keys))
        ))
    )
"""
"""All that a bite looks at, in one value: sqlite3 releases the interpreter at each column."""
_FROM_JSON = ", ".join(f"json_extract(value, '$.{name}')" for name in _NAMES)
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in _NAMES[1:])
_BEGIN_ANEW = {
    "sqlite": (
        f"INSERT OR REPLACE INTO imported_users ({', '.join(_NAMES)}) SELECT"
        f" {_FROM_JSON} FROM json_each(:rows)"
    ),
    "postgresql": (
        f"INSERT INTO imported_users ({', '.join(_NAMES)}) SELECT {', '.join(_NAMES)}"
        " FROM json_populate_recordset(CAST(NULL AS imported_users), CAST(:rows AS json))"
        f" ON CONFLICT (email_key) DO UPDATE SET {_REPLACED}"
    ),
}


class _State(msgspec.Struct, frozen=True):
    """What a bite was planned by, as it is now."""

    generation: str | None
    mark: str | None
    users: set[str]
    after: dict[str, int]
    """By user: up to which event the first record goes."""


def write(connection: Connection, planned: Planned) -> str | None:
    """Write a bite; return the generation of purges after it.

    Raises:
        Faster: what it was planned for is no longer true.

    """
    generation = planned.generation
    state = _look(connection, planned)
    if planned.relies:
        # Another purge may have removed the events on which these rely.
        if state.generation != generation:
            raise Faster
        generation = token_hex(8)
        keep_progress(connection, GENERATION, generation)
    if state.users != planned.users.keys() or state.after != _after(planned.before):
        raise Faster
    if planned.as_they_are:
        now = records_of(connection, planned.as_they_are, lock=False)
        if any(now.get(key) != planned.users[key] for key in planned.as_they_are):
            raise Faster
    if connection.dialect.name == "postgresql" and planned.counts:
        _require_counts(connection, planned)
    note_purged_until(connection, planned.mark, before=state.mark)
    keep_keys(connection, planned.keys)
    _begin_anew(connection, planned.first)
    if delete_rows(connection, "events", planned.ids) != len(planned.ids):
        raise Faster
    return generation


def _look(connection: Connection, planned: Planned) -> _State:
    """Return what is true now; lock the users: nobody else adds an event of theirs.

    Nor does anybody add a user for an address that has none.
    """
    if connection.dialect.name == "sqlite":  # the file is locked
        keys = msgspec.json.encode(sorted(planned.addresses)).decode()
        found = connection.execute(text(_STATE), {"keys": keys}).scalar_one()
        return msgspec.json.decode(found, type=_State)
    generation = read_progress(connection, GENERATION) if planned.relies else None
    users = records_of(connection, planned.addresses, lock=True)
    after = _after(first_records_of(connection, users))
    return _State(generation, read_progress(connection, PURGED_UNTIL), set(users), after)


def _after(first: dict[str, FirstRecord]) -> dict[str, int]:
    return {key: record.after_event for key, record in first.items()}


def _require_counts(connection: Connection, planned: Planned) -> None:
    """Make sure that no event was committed late, with a smaller id than those after it."""
    if count_between(connection, planned.spans) != planned.counts:
        raise Faster


def _begin_anew(connection: Connection, first: dict[str, FirstRecord]) -> None:
    """Keep the records with which the folds of users begin."""
    if not first:
        return
    dialect = connection.dialect.name
    written = time_text if dialect == "sqlite" else iso_text
    rows = []
    for key, begun in first.items():
        row: dict[str, Any] = {name: getattr(begun.record, name) for name in FEEDBACK_COLUMNS}
        row |= {name: row[name] and written(row[name]) for name in USER_TIMES}
        rows.append({"email_key": key, "after_event": begun.after_event, **row})
    values = {"rows": msgspec.json.encode(rows).decode()}
    connection.execute(text(_BEGIN_ANEW[dialect]), values)
