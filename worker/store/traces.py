"""Finds people in the texts of `events`, `outbox` and `quarantine`, and takes them out.

A database is searched in bites, by the first word of each address, which is written as it is in
every spelling; what is found is looked at more closely. The transaction that changes a row reads it
again: two commands may take two people out of a row at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    or_,
    select,
    update,
)

from worker.core.address import parse_address
from worker.core.disguise import hide_all
from worker.core.effects import Summary
from worker.core.payloads import PAYLOADS, EffectKind, Notice, NoticeRecipient
from worker.core.redacting import CannotRedact, names_people, redacted_text
from worker.store import Store
from worker.store.levels import moment
from worker.store.schema import events, outbox, quarantine, removals

EVENTS_AT_ONCE = 20_000
EFFECTS_AT_ONCE = 2_000
MESSAGES_AT_ONCE = 20
ROWS_IN_A_TRANSACTION = 20
"""Rows that are searched by a statement, or changed in a transaction, for which workers wait; a
quarantined message may have a megabyte."""

Redact = Callable[[Mapping[str, Any], Sequence[str]], "Mapping[str, Any] | None"]
"""Returns the columns that change, {} if none does, None if the row goes; raises CannotRedact."""


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


class _Searched(Struct, frozen=True):
    table: Table
    texts: Sequence[Column[Any]]
    """What is searched in SQL; empty: all rows are looked at."""
    at_once: int
    redact: Redact


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
        redact_message: Redacts a row of `quarantine`; it may ask other services, and is called
            before a transaction that writes, too.
        watch: Is told how many rows were searched.

    Raises:
        Unavailable: the store cannot be used now; what was done stays.

    """
    done = 0
    for searched in (*_TEXTS, _Searched(quarantine, (), MESSAGES_AT_ONCE, redact_message)):
        for after, end in _bites(store, searched):
            with store.reading() as connection:
                ids = _candidates(connection, searched, keys, (after, end))
                found = _treated(connection, searched, ids, keys)
            meant = [trace.id for trace in found if trace.fate is not Fate.LEFT]
            for start in range(0, len(meant) if changing else 0, ROWS_IN_A_TRANSACTION):
                with store.writing() as connection:
                    some = meant[start : start + ROWS_IN_A_TRANSACTION]
                    _treated(connection, searched, some, keys, changing=True)
            yield from found
            done += end - after
            watch(done)


def _bites(store: Store, searched: _Searched) -> Iterator[tuple[int, int]]:
    """Yield ranges of ids: behind the first, up to the second.

    Rows that come meanwhile name nobody whose tombstone is there.
    """
    number, last = searched.table.c.id, 0
    with store.reading() as connection:
        newest = connection.execute(select(func.max(number))).scalar_one() or 0
    while last < newest:
        some = select(number).where(number > last, number <= newest).order_by(number)
        with store.reading() as connection:
            bite = some.limit(searched.at_once).subquery()
            end = connection.execute(select(func.max(bite.c.id))).scalar_one() or newest
        yield last, end
        last = end


def _treated(
    connection: Connection,
    searched: _Searched,
    ids: Sequence[int],
    keys: Sequence[str],
    *,
    changing: bool = False,
) -> list[Trace]:
    found = (_treat(connection, searched, each, keys, changing=changing) for each in ids)
    return [trace for trace in found if trace]


def _candidates(
    connection: Connection, searched: _Searched, keys: Sequence[str], ids: tuple[int, int]
) -> list[int]:
    number = searched.table.c.id
    query = select(number).where(number > ids[0], number <= ids[1]).order_by(number)
    if searched.texts:
        query = query.where(_perhaps(searched.texts, keys))
    return list(connection.execute(query).scalars())


def _perhaps(texts: Sequence[Column[Any]], keys: Sequence[str]) -> ColumnElement[bool]:
    """Select rows in which the first word of an address occurs, regardless of case.

    An address that is not ASCII may be written as an encoded word, beside its domain.
    """
    words = {_first_word(key) for key in keys}
    domains = {_first_word(key.rpartition("@")[2]) for key in keys if not key.isascii()}
    encoded = {"" if "xn" in domains else domain for domain in domains}
    return or_(
        *(text.icontains(word, autoescape=True) for text in texts for word in words),
        *(
            and_(text.contains("=?"), text.icontains(domain, autoescape=True))
            for text in texts
            for domain in encoded
        ),
    )


def _first_word(key: str) -> str:
    """Return what is written alike in every spelling: the first letters and digits in ASCII.

    Of others an escape, or a letter that is not the same in lower case, could stand there.
    """
    for start, character in enumerate(key):
        if character.isascii() and character.isalnum():
            end = start
            while key[end].isascii() and key[end].isalnum():
                end += 1
            return key[start:end]
    return ""


def _treat(
    connection: Connection,
    searched: _Searched,
    row_id: int,
    keys: Sequence[str],
    *,
    changing: bool = False,
) -> Trace | None:
    place, number = searched.table, searched.table.c.id
    query = select(place).where(number == row_id)
    row = connection.execute(query.with_for_update() if changing else query).mappings().first()
    if row is None:
        return None
    name = str(row["message_id"]) if "message_id" in row else ""
    try:
        changes = searched.redact(dict(row), keys)
    except CannotRedact as error:
        return Trace(place=place.name, id=row_id, name=name, fate=Fate.LEFT, why=str(error))
    if changes is not None and not changes:
        return None
    if changing and changes is None:
        connection.execute(delete(place).where(number == row_id))
    elif changing and changes:
        connection.execute(update(place).where(number == row_id).values(**changes))
    fate = Fate.DELETED if changes is None else Fate.REDACTED
    return Trace(place=place.name, id=row_id, name=name, fate=fate)


def _redact_event(row: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any]:
    """Take people out of an event about somebody else."""
    if row["recipient"] in keys:  # not forgotten yet: such events are counted by themselves
        return {}
    changes = {
        name: after
        for name in ("recipient_as_reported", "diagnostic", "status", "sender", "tags")
        if (after := redacted_text(row[name], keys) or "") != row[name]
    }
    if names_people([row["dedupe_key"], row["route_key"]], keys):
        raise CannotRedact("its keys begin with SES's message, which had no ids")
    return changes


def _redact_effect(row: Mapping[str, Any], keys: Sequence[str]) -> Mapping[str, Any] | None:
    if row["recipient"] in keys:
        return None
    changes: dict[str, Any] = {
        name: after
        for name in ("last_error", "result")
        if row[name] and (after := hide_all(row[name], keys)) != row[name]
    }
    if not names_people([row["payload"], row["summary"]], keys):
        return changes
    try:
        payload = msgspec.json.decode(row["payload"], type=PAYLOADS[EffectKind(row["kind"])])
    except ValueError:
        raise CannotRedact("a newer program wrote it, or somebody else") from None
    summary = hide_all(row["summary"], keys)
    if isinstance(payload, Notice):
        others = [each for each in payload.recipients if not _is_one(each.reported, keys)]
        if payload.recipients and not others:
            return None
        gone = [each for each in payload.recipients if each not in others]
        payload = replace(
            payload,
            recipients=tuple(_without(each, keys) for each in others),
            message=redacted_text(payload.message, keys) or "",
        )
        summary = _without_domains(summary, [each.domain for each in gone])
        written = msgspec.json.encode(payload).decode()
    else:
        written = redacted_text(row["payload"], keys) or "{}"
    if names_people([written, summary], keys):
        raise CannotRedact("an address is spelled in it in a way that cannot be taken out")
    return changes | {"payload": written, "summary": summary}


def _is_one(reported: str, keys: Sequence[str]) -> bool:
    address = parse_address(reported)
    return address is not None and address.key in keys


def _without(recipient: NoticeRecipient, keys: Sequence[str]) -> NoticeRecipient:
    return replace(
        recipient,
        reported=redacted_text(recipient.reported, keys) or "",
        diagnostic=hide_all(recipient.diagnostic, keys),
    )


def _without_domains(summary: str, domains: Sequence[str]) -> str:
    """Count some recipients less; a summary of a newer program stays as it is."""
    try:
        before = msgspec.json.decode(summary, type=Summary)
    except ValueError:
        return summary
    counts = dict(before.domains)
    for domain in domains:
        known = domain if domain in counts else ""
        if known in counts:
            counts[known] -= 1
    kept = {name: count for name, count in counts.items() if count > 0}
    return msgspec.json.encode(replace(before, domains=kept)).decode()


def drop_removals(store: Store, keys: Sequence[str]) -> tuple[list[Trace], int]:
    """Delete removals from SES's list that no worker carries out now; count the others.

    What stays cannot be begun by another worker meanwhile, which would write about the person.
    """
    with store.writing() as connection:
        now = moment(connection)
        theirs = and_(outbox.c.kind == EffectKind.REMOVAL.value, outbox.c.recipient.in_(keys))
        is_free = or_(outbox.c.claim.is_(None), outbox.c.due_at <= now)
        free = select(outbox.c.id).where(theirs, is_free).with_for_update()
        ids = list(connection.execute(free).scalars())
        connection.execute(delete(outbox).where(outbox.c.id.in_(ids)))
        rest = select(func.count()).select_from(outbox).where(theirs)
        under_way = int(connection.execute(rest).scalar_one())
    return [Trace(place=outbox.name, id=each, fate=Fate.DELETED) for each in ids], under_way


def delete_removals(store: Store, keys: Sequence[str]) -> None:
    """Delete what is kept of removals; the effects are gone, so nobody writes it again."""
    with store.writing() as connection:
        connection.execute(delete(removals).where(removals.c.email_key.in_(keys)))


_EVENT_TEXTS = [
    events.c[name]
    for name in (
        "recipient_as_reported", "diagnostic", "status", "sender", "tags", "dedupe_key",
        "route_key",
    )
]  # fmt: skip
_EFFECT_TEXTS = [outbox.c[name] for name in ("recipient", "payload", "last_error", "result")]
_TEXTS = (
    _Searched(outbox, _EFFECT_TEXTS, EFFECTS_AT_ONCE, _redact_effect),
    _Searched(events, _EVENT_TEXTS, EVENTS_AT_ONCE, _redact_event),
)
