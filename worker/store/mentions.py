"""Finds the rows whose texts name people: for `users forget`, and for a data request.

What names a person by a column is found by an index. Texts that repeat an address have none: a
table is read in ranges of ids, each in a transaction of its own that only reads. SQL selects the
rows that have at least what a text has that names somebody; `worker.core.naming` judges them.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Table,
    and_,
    cast,
    collate,
    func,
    or_,
    select,
)

from worker.core.dead_letter import texts_of
from worker.core.naming import names_people, signs_of
from worker.store import Store
from worker.store.rows import decode_body
from worker.store.schema import account_events, events, outbox, quarantine

Row = Mapping[str, Any]
Report = Callable[[int, int | None], None]
"""Is told how many ids were looked through, and of how many."""


class Place(Struct, frozen=True):
    """A table, and the columns in which a text may name anybody."""

    table: Table
    texts: Sequence[str]
    ids_at_once: int
    """So many rows are in memory at once, if all are selected."""
    has_attributes: bool = False
    """It has messages' attributes, whose binary values are written as base64."""

    def named_in(self, row: Row, keys: Sequence[str]) -> bool:
        """Return whether a text of a row names one of the people."""
        texts = [_as_text(row[name]) for name in self.texts]
        if self.has_attributes:
            texts += _texts_of_attributes(row["attributes"])
        return names_people(texts, keys)


EVENTS = Place(
    events,
    (
        "dedupe_key", "route_key", "type", "subtype", "recipient_as_reported", "feedback_id",
        "ses_message_id", "diagnostic", "status", "configuration_set", "tenant", "sender",
        "account_id", "region", "tags",
    ),
    2_000,
)  # fmt: skip
"""A diagnostic has up to 10,000 characters, and tags up to 30,000."""
ACCOUNT_EVENTS = Place(
    account_events,
    (
        "dedupe_key", "tenant", "resource", "cause", "finding", "impact", "account_id", "region",
    ),
    2_000,
)  # fmt: skip
OUTBOX = Place(
    outbox,
    (
        "recipient", "payload", "summary", "feedback_id", "ses_message_id", "last_error", "result",
    ),
    500,
)  # fmt: skip
"""Each may hold a message of 256 KiB."""
QUARANTINE = Place(
    quarantine,
    ("queue", "reason", "detail", "body", "attributes", "worker_version"),
    20,
    has_attributes=True,
)
"""Each may hold a message of a MiB, which is binary: all rows are judged."""


def rows_naming(
    store: Store, place: Place, keys: Sequence[str], report: Report
) -> Iterator[list[Row]]:
    """Yield the rows whose texts name one of the people, a range of ids at a time.

    Rows that come meanwhile are not looked at.
    """
    number, read_to = place.table.c.id, 0
    with store.read_transaction() as connection:
        last = connection.execute(select(func.coalesce(func.max(number), 0))).scalar_one()
    while read_to < last:
        with store.read_transaction() as connection:
            end = _end_of_range(connection, place, read_to) or last  # rows may go meanwhile
            found = _selected(connection, place, keys, (read_to, end))
        yield [row for row in found if place.named_in(row, keys)]
        read_to = end
        report(min(read_to, last), last)


def _end_of_range(connection: Connection, place: Place, after: int) -> int | None:
    number = place.table.c.id
    ids = select(number).where(number > after).order_by(number).limit(place.ids_at_once)
    ends = select(func.max(ids.subquery().c.id))
    return connection.execute(ends).scalar_one_or_none()


def _selected(
    connection: Connection, place: Place, keys: Sequence[str], ids: tuple[int, int]
) -> list[Row]:
    number = place.table.c.id
    within = number.between(ids[0] + 1, ids[1])
    query = select(place.table).where(within).order_by(number)
    if place is not QUARANTINE:  # whose bodies are binary
        is_postgresql = connection.dialect.name == "postgresql"
        texts = _texts_of(place, is_postgresql=is_postgresql).label("texts")
        # With an offset, so that the texts are put together once and not for each comparison.
        written = select(number, texts).where(within).offset(0).subquery()
        signs = _has_signs(written.c.texts, keys, is_postgresql=is_postgresql)
        query = query.where(number.in_(select(written.c.id).where(signs)))
    return [dict(row) for row in connection.execute(query).mappings()]


def _texts_of(place: Place, *, is_postgresql: bool) -> ColumnElement[str]:
    """Return all texts of a row in one, in lower case."""
    texts = [func.coalesce(place.table.c[name], "") for name in place.texts]
    whole: ColumnElement[str] = reduce(lambda first, second: first + "\n" + second, texts)
    # In a Turkish locale PostgreSQL would make another letter of I.
    return func.lower(collate(whole, "C") if is_postgresql else whole)


def _has_signs(
    texts: ColumnElement[str], keys: Sequence[str], *, is_postgresql: bool
) -> ColumnElement[bool]:
    """Return whether the texts have what `signs_of` lists, or a letter that is not in ASCII."""
    size = func.octet_length(texts) if is_postgresql else func.length(cast(texts, LargeBinary))
    signs = (
        and_(*(texts.contains(part, autoescape=True) for part in each)) for each in signs_of(keys)
    )
    return or_(size != func.length(texts), *signs)


def _as_text(value: object) -> str:
    """Return a column's value as text; of a message's bytes, what they say."""
    if isinstance(value, bytes | memoryview):
        return decode_body(value)
    return str(value or "")


def _texts_of_attributes(written: str) -> list[str]:
    try:
        return list(texts_of(json.loads(written)))
    except (ValueError, AttributeError, TypeError):  # written by somebody else
        return []
