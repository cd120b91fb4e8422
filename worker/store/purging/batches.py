"""Reads old events with their keys, a batch at a time, in the order of ids."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, text

from worker.core.folding import Recorded
from worker.core.keys import kept_key
from worker.core.model import Kind
from worker.core.parsing import as_time
from worker.store.purging.limits import Limits
from worker.store.recorded import ROWS_IN_A_FETCH
from worker.store.rows import RECORDED_COLUMNS, read_recorded

ROWS_IN_A_BATCH = 1_000
"""Events that are judged at a time; they go in several bites."""
_COLUMNS = len(Recorded.__struct_fields__)
_BATCH = f"""
    SELECT {RECORDED_COLUMNS}, dedupe_key, route_key, claimed_at FROM events
    WHERE id > :after AND id <= :upto ORDER BY id LIMIT :limit
"""
_OF_AN_ADDRESS = f"""
    SELECT {RECORDED_COLUMNS}, dedupe_key, route_key, claimed_at FROM events_by_recipient
    WHERE recipient = :key ORDER BY id
"""
_ON_RECORD = "SELECT id FROM events WHERE id >= :first AND id <= :last"
_KINDS = frozenset(kind.value for kind in Kind)


class Row(Struct, frozen=True):
    """An event on record, with its keys."""

    event: Recorded
    keys: tuple[str, ...]
    """Shortened; none where nothing is ever looked for by them."""
    is_old: bool


class Batch(Struct, kw_only=True):
    """Events that were judged, in the order of ids."""

    rows: Sequence[Row]
    goes: set[int]
    relying: frozenset[int]
    """Events that go because others of the address stay."""
    by_address: dict[str, list[Recorded]]
    last_of: dict[str, int]
    """By address: the last event that goes."""
    done: int = 0
    """Rows that were dealt with."""

    @property
    def kept(self) -> int:
        """How many are old, and stay."""
        return sum(row.is_old and row.event.id not in self.goes for row in self.rows)

    def next_rows(self, most: int) -> Sequence[Row]:
        """Return the next rows, of which so many go at most."""
        left = most
        for place in range(self.done, len(self.rows)):
            left -= self.rows[place].event.id in self.goes
            if left == 0:
                return self.rows[self.done : place + 1]
        return self.rows[self.done :]


def judged(rows: Sequence[Row], goes: set[int], relying: frozenset[int]) -> Batch:
    """Make a batch of rows, of which some go."""
    by_address: dict[str, list[Recorded]] = {}
    last_of: dict[str, int] = {}
    for row in rows:
        event = row.event
        by_address.setdefault(event.recipient, []).append(event)
        if event.id in goes:
            last_of[event.recipient] = event.id
    return Batch(rows=rows, goes=goes, relying=relying, by_address=by_address, last_of=last_of)


def read_rows(
    connection: Connection, limits: Limits, ids: tuple[int, int], limit: int
) -> list[Row]:
    """Read events whose ids are behind the first id, up to the second, some at most."""
    values = {"after": ids[0], "upto": ids[1], "limit": limit}
    return [_read(row, limits) for row in connection.execute(text(_BATCH), values)]


def rows_of(connection: Connection, limits: Limits, key: str) -> Iterator[Row]:
    """Yield the events of an address; it may have more of them than shall be in memory."""
    streamed = {"yield_per": ROWS_IN_A_FETCH}
    for row in connection.execute(text(_OF_AN_ADDRESS), {"key": key}, execution_options=streamed):
        yield _read(row, limits)


def _read(row: Sequence[Any], limits: Limits) -> Row:
    event = read_recorded(row[:_COLUMNS])
    dedupe, route, claimed = row[_COLUMNS:]
    keys = tuple({kept_key(dedupe), kept_key(route)}) if event.kind in _KINDS else ()
    return Row(event, keys, limits.is_old(event, as_time(claimed)))


def on_record(connection: Connection, batch: Batch) -> frozenset[int]:
    """Return which events of a batch are still on record."""
    values = {"first": batch.rows[0].event.id, "last": batch.rows[-1].event.id}
    return frozenset(connection.execute(text(_ON_RECORD), values).scalars())
