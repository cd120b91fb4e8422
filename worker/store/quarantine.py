"""Dead letters in the table `quarantine`, for the `dlq` commands."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    case,
    delete,
    func,
    insert,
    select,
)

from worker.core.dead_letter import DeadLetterFilter, DeadLetterMessage, Where
from worker.core.limits import LONGEST_TOPIC
from worker.core.messages import Received
from worker.core.parsing import clip
from worker.core.privacy import PrivacyKey
from worker.core.redacting import people_in
from worker.store import Store
from worker.store.forgetting import see_tombstones, tombstones_of
from worker.store.on_record import users_among
from worker.store.rows import decode_body, encode_attributes, encode_body
from worker.store.schema import quarantine
from worker.timing.retries import when_raced

_FIRST_RECEIVED = func.coalesce(quarantine.c.sent_at, quarantine.c.received_at)


class Pile(Struct, frozen=True, kw_only=True):
    """The selected rows that have the same reason."""

    reason: str
    count: int
    oldest: datetime
    newest: datetime
    younger: Sequence[int]
    """For each of the given times: the number of rows that were first received after it."""
    sample: DeadLetterMessage
    """The row that was written first."""


def newest_row(store: Store) -> int:
    """Return the id of the row that was written last; 0 if there is none."""
    with store.read_transaction() as connection:
        newest: int | None = connection.execute(select(func.max(quarantine.c.id))).scalar_one()
        return newest or 0


def read_dead_letters(
    store: Store, filter_: DeadLetterFilter, *, after: int = 0, up_to: int, most: int
) -> Sequence[DeadLetterMessage]:
    """Read at most `most` selected dead letters with row ids from `after` + 1 to `up_to`."""
    query = select(quarantine).where(_selected(filter_, after, up_to)).order_by(quarantine.c.id)
    with store.read_transaction() as connection:
        return [_dead_letter(row) for row in connection.execute(query.limit(most)).mappings()]


def count_dead_letters(
    store: Store, filter_: DeadLetterFilter, *, after: int = 0, up_to: int
) -> int:
    """Count the selected dead letters with row ids from `after` + 1 to `up_to`."""
    query = select(func.count()).select_from(quarantine).where(_selected(filter_, after, up_to))
    with store.read_transaction() as connection:
        return int(connection.execute(query).scalar_one())


def remove_dead_letters(store: Store, row_ids: Collection[int]) -> int:
    """Delete rows; return how many were deleted."""
    with store.write_transaction() as connection:
        deleted = connection.execute(delete(quarantine).where(quarantine.c.id.in_(row_ids)))
        return deleted.rowcount


@when_raced.wraps
def keep_without(
    store: Store,
    dead_letter: DeadLetterMessage,
    key: PrivacyKey,
    without: Callable[[DeadLetterMessage, Collection[str]], DeadLetterMessage | None],
) -> None:
    """Keep a dead letter that people were taken out of; kept before, it stays as it is.

    Another command may forget others whom it names at this moment: it finds the row, or these are
    taken out, too. Nothing is kept of a message about nobody else.

    Raises:
        CannotRedact: these cannot be taken out.
        Unavailable: the store cannot be written now; nothing was kept.

    """
    named = sorted(people_in(dead_letter.received.body))
    rest: DeadLetterMessage | None = dead_letter
    taken_out = frozenset[str]()
    while rest is not None:
        with store.write_transaction() as connection:
            see_tombstones(connection)
            users = users_among(connection, named)
            others = [each for each in named if each not in users]
            forgotten = frozenset(tombstones_of(connection, others, key))
            if forgotten <= taken_out:
                _insert_unless_there(connection, _row_of(rest))
                return
        # Not while writing: a hostile message of a MiB takes seconds.
        taken_out = forgotten
        rest = without(dead_letter, taken_out)


def _insert_unless_there(connection: Connection, row: Mapping[str, Any]) -> None:
    same = and_(*(quarantine.c[name] == row[name] for name in ("queue", "message_id")))
    if connection.execute(select(quarantine.c.id).where(same)).first() is None:
        connection.execute(insert(quarantine).values(**row))


def _row_of(dead_letter: DeadLetterMessage) -> dict[str, Any]:
    received, source = dead_letter.received, dead_letter.source
    return {
        "queue": source if source.isascii() and len(source) <= LONGEST_TOPIC else "",
        # Not the original id, which everybody may write who may send to the dead-letter queue.
        "message_id": received.message_id,
        "reason": dead_letter.reason,
        "detail": clip(dead_letter.error),
        "body": encode_body(received.body),
        "attributes": encode_attributes(received.attributes),
        "sent_at": dead_letter.first_seen,
        "received_at": received.received_at,
        "worker_version": dead_letter.worker_version,
        "verified": received.verified,
    }


def pile_up(store: Store, filter_: DeadLetterFilter, moments: Sequence[datetime]) -> Sequence[Pile]:
    """Count the selected dead letters by reason, and how many are younger than each moment."""
    younger = [func.sum(case((moment < _FIRST_RECEIVED, 1), else_=0)) for moment in moments]
    selected = _selected(filter_, 0, None)
    piles = select(
        quarantine.c.reason, func.count(), func.min(_FIRST_RECEIVED), func.max(_FIRST_RECEIVED),
        func.min(quarantine.c.id), *younger,
    )  # fmt: skip
    with store.read_transaction() as connection:
        grouped = piles.where(selected).group_by(quarantine.c.reason)
        rows = connection.execute(grouped.order_by(quarantine.c.reason)).all()
        firsts = select(quarantine).where(quarantine.c.id.in_([row[4] for row in rows]))
        samples = {row["id"]: _dead_letter(row) for row in connection.execute(firsts).mappings()}
    return [
        Pile(
            reason=reason,
            count=count,
            oldest=oldest,
            newest=newest,
            younger=[int(number) for number in numbers],
            sample=samples[first],
        )
        for reason, count, oldest, newest, first, *numbers in rows
    ]


def _selected(filter_: DeadLetterFilter, after: int, up_to: int | None) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [quarantine.c.id > after]
    if up_to is not None:
        conditions.append(quarantine.c.id <= up_to)
    if filter_.reasons:
        conditions.append(quarantine.c.reason.in_(sorted(filter_.reasons)))
    if filter_.message_ids:
        conditions.append(quarantine.c.message_id.in_(sorted(filter_.message_ids)))
    return and_(*conditions)


def _dead_letter(row: RowMapping) -> DeadLetterMessage:
    return DeadLetterMessage(
        where=Where.QUARANTINE,
        received=_received(row),
        reason=row["reason"],
        error=row["detail"],
        first_seen=row["sent_at"] or row["received_at"],
        source=row["queue"],
        worker_version=row["worker_version"],
        original_id=row["message_id"],
        row_id=row["id"],
    )


def _received(row: RowMapping) -> Received:
    attributes: dict[str, Any] = json.loads(row["attributes"])
    return Received(
        message_id=row["message_id"],
        body=decode_body(row["body"]),
        receipt_handle="",
        receive_count=1,
        received_at=row["received_at"],
        lease_until=float("inf"),
        sent_at=row["sent_at"],
        attributes=attributes,
        verified=row["verified"],
    )
