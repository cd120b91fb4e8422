"""Takes people out of the texts of `events`, `account_events`, `outbox` and `quarantine`.

What becomes of a row is found out before the transaction that changes it, since others wait for
that one. The transaction reads the row again: where another command has taken somebody else out of
it meanwhile, it is looked at once more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, delete, select, update

from worker.core.redacting import CannotRedact
from worker.store import Store
from worker.store.mentions import (
    ACCOUNT_EVENTS,
    EVENTS,
    OUTBOX,
    QUARANTINE,
    Place,
    rows_naming,
)
from worker.store.redacted_rows import redacted_account_event, redacted_effect, redacted_event

Row = Mapping[str, Any]
Redact = Callable[[Row, Sequence[str]], Row | None]
"""Returns the columns that change, {} if none does, None if the row goes; raises CannotRedact."""

EVENTS_AT_ONCE, EFFECTS_AT_ONCE, MESSAGES_AT_ONCE = 20, 4, 1
"""Rows that a transaction changes: at most about a MiB, as a quarantined message may have."""


class Fate(StrEnum):
    """What becomes of a row."""

    DELETED = "deleted"
    """It is about these people alone."""
    REDACTED = "redacted"
    """It is about others, too, and kept for them."""
    LEFT = "left"
    """It cannot be redacted."""


class Trace(Struct, frozen=True, kw_only=True):
    """A row that names somebody."""

    place: str
    """The table."""
    id: int
    fate: Fate
    why: str = ""
    """Why it is left."""
    name: str = ""
    """By what commands know it: a message id."""


class _Found(Struct, frozen=True):
    """A row that names somebody, and what becomes of it."""

    row: Row
    trace: Trace
    changes: Row | None


def traces(
    store: Store,
    keys: Sequence[str],
    *,
    changing: bool,
    redact_message: Redact,
    watch: Callable[[int], None],
) -> Iterator[Trace]:
    """Yield what names the people, and take them out if `changing`.

    Args:
        store: The database.
        keys: Normalised addresses.
        changing: Else nothing is changed.
        redact_message: Redacts a row of `quarantine`; it may ask other services.
        watch: Is told how many rows were searched.

    Raises:
        Unavailable: the store cannot be used now; what was done stays.

    """
    before = 0
    for place, redact, at_once in (
        (OUTBOX, redacted_effect, EFFECTS_AT_ONCE),
        (EVENTS, redacted_event, EVENTS_AT_ONCE),
        (ACCOUNT_EVENTS, redacted_account_event, EVENTS_AT_ONCE),
        (QUARANTINE, redact_message, MESSAGES_AT_ONCE),
    ):
        search = Search(store, place, redact, keys)
        searched = 0

        def report(done: int, _: int | None, before: int = before) -> None:
            nonlocal searched
            searched = done
            watch(before + done)

        for rows in rows_naming(store, place, keys, report):
            found = search.look_at(rows)
            yield from search.change(found, at_once) if changing else map(_trace, found)
        before += searched


def _trace(found: _Found) -> Trace:
    return found.trace


class Search(Struct, frozen=True):
    """A search for some people in a table."""

    store: Store
    place: Place
    redact: Redact
    keys: Sequence[str]

    def look_at(self, rows: Sequence[Row]) -> list[_Found]:
        """Find out what becomes of rows; those that do not change are left out."""
        return [found for row in rows if (found := self._look_at(row))]

    def _look_at(self, row: Row) -> _Found | None:
        name = str(row["message_id"]) if "message_id" in row else ""
        changes: Row | None = {}
        try:
            changes = self.redact(row, self.keys)
        except CannotRedact as error:
            fate, why = Fate.LEFT, str(error)
        else:
            if changes is not None and not changes:
                return None
            fate, why = Fate.DELETED if changes is None else Fate.REDACTED, ""
        trace = Trace(place=self.place.table.name, id=row["id"], name=name, fate=fate, why=why)
        return _Found(row, trace, changes)

    def change(self, found: Sequence[_Found], at_once: int) -> list[Trace]:
        """Change rows; those that somebody else has changed meanwhile are looked at again."""
        done: list[Trace] = []
        remaining: list[_Found] = []
        while True:
            done += (each.trace for each in found if each.trace.fate is Fate.LEFT)
            remaining += (each for each in found if each.trace.fate is not Fate.LEFT)
            if not remaining:
                return done
            some, remaining = remaining[:at_once], remaining[at_once:]
            others: list[Row] = []
            with self.store.write_transaction() as connection:
                for each in some:
                    row = self._change(connection, each)
                    if row is not None:
                        others.append(row)
                    else:
                        done.append(each.trace)
            found = self.look_at([row for row in others if self.place.named_in(row, self.keys)])

    def _change(self, connection: Connection, found: _Found) -> Row | None:
        """Change a row; return it instead, if it is not as it was looked at any more."""
        table = self.place.table
        this = table.c.id == found.row["id"]
        now = connection.execute(select(table).where(this).with_for_update()).mappings().first()
        if now is None:
            return None
        if any(now[name] != found.row[name] for name in self.place.texts):
            return dict(now)
        if found.changes is None:
            connection.execute(delete(table).where(this))
        else:
            connection.execute(update(table).where(this).values(**found.changes))
        return None
