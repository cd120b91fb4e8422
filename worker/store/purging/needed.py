"""What a purge looks up once: keys that quarantined messages need, and addresses, roughly."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, text

from worker.core.decode import decode, feedback_in, parts_of
from worker.core.keys import kept_key
from worker.core.policy import REFUSED_BY_SES
from worker.store.rows import decode_body
from worker.store.schema import Moment, quarantine

_MESSAGES_AT_ONCE = 20
_BITS = 8 * 1_048_576
_REFUSED = f"""
    SELECT DISTINCT recipient FROM events
    WHERE occurred_at >= :since AND lower(subtype) IN (
        {", ".join(f"'{name.lower()}'" for name in sorted(REFUSED_BY_SES))}
    )
"""
_UP_TO = "SELECT DISTINCT recipient FROM events WHERE id <= :last"


class Addresses:
    """A set of addresses that may have more than were added, in a megabyte however many."""

    def __init__(self) -> None:
        self._bits = bytearray(_BITS // 8)

    def add(self, key: str) -> None:
        """Add an address."""
        bit = hash(key) % _BITS
        self._bits[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, key: object) -> bool:
        """Return whether an address may have been added; False: it was not."""
        bit = hash(key) % _BITS
        return bool(self._bits[bit >> 3] & (1 << (bit & 7)))


def refused_lately(connection: Connection, since: datetime) -> Addresses:
    """Return the addresses to which SES has refused mail since a time."""
    query = text(_REFUSED).bindparams(bindparam("since", since, type_=Moment()))
    return _streamed(connection, query)


def with_events_up_to(connection: Connection, last: int) -> Addresses:
    """Return the addresses with events whose ids are not larger than the last id."""
    return _streamed(connection, text(_UP_TO).bindparams(last=last))


def _streamed(connection: Connection, query: object) -> Addresses:
    found = Addresses()
    rows = connection.execute(query, execution_options={"yield_per": 2_000})  # type: ignore[call-overload]
    for (key,) in rows:
        found.add(key)
    return found


def keys_in_quarantine(connection: Connection) -> frozenset[str]:
    """Return the keys, shortened, that a replay of quarantined messages looks for."""
    return frozenset(
        kept_key(key)
        for body in _bodies(connection)
        for item in feedback_in(parts_of(decode(body)))
        for key in (item.dedupe_key, item.route_key)
    )


def _bodies(connection: Connection) -> Iterator[str]:
    last = 0
    query = select(quarantine.c.id, quarantine.c.body).order_by(quarantine.c.id)
    while rows := connection.execute(
        query.where(quarantine.c.id > last).limit(_MESSAGES_AT_ONCE)
    ).all():
        for last, body in rows:  # noqa: B007
            yield decode_body(body)
