"""What all processes together may ask of a far side: the rows of `limits`."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from worker import clock
from worker.store import Store
from worker.store.schema import limits
from worker.volume import Level, Volume, first_level

_COLUMNS = [limits.c[name] for name in Level.__struct_fields__]


def moment(connection: Connection) -> datetime:
    """Tell the time; PostgreSQL's own, so that machines whose clocks differ agree."""
    if connection.dialect.name == "postgresql":
        now: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return now.astimezone(UTC)
    return clock.wall()


def lock(connection: Connection, volume: Volume, now: datetime) -> Level:
    """Read where a far side stands, and keep everybody else from changing it meanwhile."""
    query = select(*_COLUMNS).where(limits.c.name == volume.name).with_for_update()
    row = connection.execute(query).mappings().first()
    if row:
        return Level(**row)
    level = first_level(volume, now)
    connection.execute(insert(limits).values(name=volume.name, **_values(level)))
    return level


def keep(connection: Connection, volume: Volume, level: Level) -> None:
    """Write where a far side stands now."""
    row = update(limits).where(limits.c.name == volume.name)
    connection.execute(row.values(**_values(level)))


def take_turn(store: Store, volume: Volume) -> float:
    """Reserve the next slot of a far side; return the seconds to wait for it.

    One that is further away than any lease lasts is of a clock that was set back.

    Raises:
        Unavailable: the books are away.

    """
    with store.writing() as connection:
        now = moment(connection)
        slot = max(lock(connection, volume, now).next_slot, now)
        if (slot - now).total_seconds() > volume.lease_seconds:
            slot = now
        next_slot = slot + timedelta(seconds=1 / volume.per_second)
        row = update(limits).where(limits.c.name == volume.name)
        connection.execute(row.values(next_slot=next_slot))
        return (slot - now).total_seconds()


def _values(level: Level) -> dict[str, Any]:
    return {name: getattr(level, name) for name in Level.__struct_fields__}
