"""SQLAlchemy, for what is not the path: migrations, imports, lists.

It works on connections opened exactly as the path opens them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool


def make(
    dialect: str, connect: Callable[[], Any], *, begin: str | None = None, kept: int = 0
) -> Engine:
    """Make an engine; `begin` is said where the driver leaves it to us.

    `kept` connections stay open between transactions, and are looked at before they are used
    again; with none each transaction has a connection of its own.
    """
    pool: dict[str, Any] = (
        {"poolclass": QueuePool, "pool_size": kept, "max_overflow": -1, "pool_pre_ping": True}
        if kept
        else {"poolclass": NullPool}
    )
    engine = create_engine(f"{dialect}://", creator=connect, hide_parameters=True, **pool)
    if begin:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


@contextmanager
def transaction(
    engine: Engine, after_commit: Callable[[Any], None] = lambda _: None
) -> Iterator[Connection]:
    """One transaction; the driver's errors come out as they are.

    `after_commit` is given the driver's connection before that is closed; it may raise.
    """
    try:
        with engine.connect() as connection:
            with connection.begin():
                yield connection
            after_commit(connection.connection.driver_connection)
    except DBAPIError as error:
        raise (error.orig or error) from error
