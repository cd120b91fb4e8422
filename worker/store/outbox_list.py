"""The outbox as operators handle it: list, retry, discard."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, and_, func, not_, or_, select, update

from worker.core.payloads import EffectKind
from worker.core.rate_limit import lane_of
from worker.store import Store, levels
from worker.store.parking import NOT_PARKED, ParkedReason
from worker.store.schema import OPEN, PARKED, limits, outbox
from worker.store.users import ROWS_IN_A_STATEMENT

_SHOWN = [
    outbox.c[name]
    for name in (
        "id", "kind", "state", "attempts", "due_at", "last_error", "created_at", "lane",
        "summary", "recipient", "ses_message_id", "parked_by", "parked_reason", "finished_at",
        "result",
    )
]  # fmt: skip


class State(StrEnum):
    """The state of an effect; `outbox.state`."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DELIVERED = "delivered"
    PARKED = "parked"
    DISCARDED = "discarded"


class OutboxFilter(Struct, frozen=True, kw_only=True):
    """Which effects a command handles."""

    ids: Sequence[int] = ()
    states: Sequence[State] = ()
    kind: EffectKind | None = None

    def clause(self) -> ColumnElement[bool]:
        """Return the condition."""
        conditions: list[ColumnElement[bool]] = [outbox.c.id.in_(self.ids)] if self.ids else []
        if self.states:
            conditions.append(outbox.c.state.in_([state.value for state in self.states]))
        if self.kind:
            conditions.append(outbox.c.kind == self.kind.value)
        return and_(outbox.c.id > 0, *conditions)


def list_effects(store: Store, filter_: OutboxFilter, limit: int) -> Sequence[Mapping[str, Any]]:
    """Read the newest matching effects, oldest first."""
    query = select(*_SHOWN).where(filter_.clause()).order_by(outbox.c.id.desc()).limit(limit)
    with store.reading() as connection:
        return [dict(row) for row in connection.execute(query).mappings()][::-1]


def finished_of(store: Store, ids: Sequence[int]) -> Mapping[int, tuple[State, str]]:
    """Return which of these effects are over, each with its result or last error.

    An effect that is parked because its lane is blocked is not over: it goes out when that ends.
    """
    query = select(outbox.c.id, outbox.c.state, outbox.c.result, outbox.c.last_error)
    waits = outbox.c.parked_reason.is_not_distinct_from(ParkedReason.BLOCKED.value)
    over = query.where(outbox.c.state.not_in(("waiting", "claimed")), not_(waits))
    found: dict[int, tuple[State, str]] = {}
    with store.reading() as connection:
        for start in range(0, len(ids), ROWS_IN_A_STATEMENT):
            some = outbox.c.id.in_(ids[start : start + ROWS_IN_A_STATEMENT])
            for row in connection.execute(over.where(some)):
                found[row.id] = (State(row.state), row.result or row.last_error or "")
    return found


def count_effects(store: Store, filter_: OutboxFilter) -> Mapping[tuple[str, str], int]:
    """Count the matching effects, by kind and state."""
    query = select(outbox.c.kind, outbox.c.state, func.count().label("effects"))
    grouped = query.where(filter_.clause()).group_by(outbox.c.kind, outbox.c.state)
    with store.reading() as connection:
        rows = connection.execute(grouped.order_by(outbox.c.kind, outbox.c.state))
        return {(row.kind, row.state): int(row.effects) for row in rows}


def retry_effects(store: Store, filter_: OutboxFilter) -> int:
    """Retry parked and waiting effects now and reset their attempt counts; return how many."""
    with store.writing() as connection:
        now = levels.moment(connection)
        # The operator says that a blocked lane is fixed: probe it now. These rows first, in the
        # order of a claim, or the two could deadlock.
        connection.execute(update(limits).where(limits.c.blocked.is_not(None)).values(next_at=now))
        parked = or_(outbox.c.state == "parked", outbox.c.state == "waiting")
        rows = update(outbox).where(filter_.clause(), parked)
        state: dict[str, Any] = {"state": "waiting", "due_at": now, "attempts": 0}
        changed = connection.execute(rows.values(**state, **NOT_PARKED, finished_at=None))
        return changed.rowcount


def discard_effects(store: Store, filter_: OutboxFilter) -> int:
    """Discard parked and waiting effects; they stay in the table. Return how many."""
    with store.writing() as connection:
        open_ = outbox.c.state.in_(("waiting", "parked"))
        done = {"state": "discarded", "finished_at": levels.moment(connection)}
        rows = update(outbox).where(filter_.clause(), open_).values(**done, **NOT_PARKED)
        return connection.execute(rows).rowcount


class Problem(Struct, frozen=True, kw_only=True):
    """A lane that delivers nothing now."""

    name: str
    """The lane's."""
    why: str
    again_at: datetime


def problems(store: Store) -> Sequence[Problem]:
    """Return blocked lanes, and lanes that pause after failures.

    A destination that the settings no longer name keeps its row in `limits`; it counts as long as
    effects are parked by it.
    """
    query = select(limits.c.name, limits.c.blocked, limits.c.failures, limits.c.next_at)
    with store.reading() as connection:
        now = levels.moment(connection)
        lanes = set(connection.execute(select(outbox.c.lane).where(OPEN).distinct()).scalars())
        parked_by = select(outbox.c.parked_by).where(PARKED).distinct()
        parkers = set(connection.execute(parked_by).scalars())
        blocked = connection.execute(query.where(limits.c.blocked.is_not(None))).all()
        failing = and_(limits.c.blocked.is_(None), limits.c.failures > 0, limits.c.next_at > now)
        resting = connection.execute(query.where(failing)).all()
    problem_rows = [row for row in blocked if row.name in parkers]
    problem_rows += [row for row in resting if lane_of(row.name) in lanes]
    return [
        Problem(
            name=lane_of(row.name),
            why=row.blocked or _in_a_row(row.failures),
            again_at=row.next_at,
        )
        for row in problem_rows
    ]


def _in_a_row(failures: int) -> str:
    return "1 failure" if failures == 1 else f"{failures:,} failures in a row"
