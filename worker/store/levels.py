"""The rate limits shared by all processes: the rows of `limits`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from worker.core.rate_limit import Level, RateLimit, first_level
from worker.store import Store
from worker.store.schema import limits
from worker.timing import clock

_COLUMNS = [limits.c[name] for name in Level.__struct_fields__]


def moment(connection: Connection) -> datetime:
    """Return the time: PostgreSQL's own, so that machines with different clocks agree."""
    if connection.dialect.name == "postgresql":
        now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return now.astimezone(UTC)
    return clock.wall()


def lock(connection: Connection, rate_limit: RateLimit, now: datetime) -> Level:
    """Read and lock a level."""
    query = select(*_COLUMNS).where(limits.c.name == rate_limit.name).with_for_update()
    row = connection.execute(query).mappings().first()
    if row:
        return Level(**row)
    level = first_level(rate_limit, now)
    connection.execute(insert(limits).values(name=rate_limit.name, **_values(level)))
    return level


def keep(connection: Connection, rate_limit: RateLimit, level: Level) -> None:
    """Write a level."""
    row = update(limits).where(limits.c.name == rate_limit.name)
    connection.execute(row.values(**_values(level)))


def take_slot(store: Store, rate_limit: RateLimit) -> float:
    """Reserve the next slot of a rate limit; return the seconds to wait for it.

    A slot later than any lease was reserved by a clock that was set back, and is ignored.

    Raises:
        Unavailable: the store is unavailable.

    """
    with store.write_transaction() as connection:
        now = moment(connection)
        slot = max(lock(connection, rate_limit, now).next_slot, now)
        if (slot - now).total_seconds() > rate_limit.lease_seconds:
            slot = now
        next_slot = slot + timedelta(seconds=1 / rate_limit.per_second)
        row = update(limits).where(limits.c.name == rate_limit.name)
        connection.execute(row.values(next_slot=next_slot))
        return (slot - now).total_seconds()


def _values(level: Level) -> dict[str, Any]:
    return {name: getattr(level, name) for name in Level.__struct_fields__}
