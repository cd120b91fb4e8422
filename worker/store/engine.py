"""SQLAlchemy engines for everything except the message path: migrations, imports, lists.

Their connections are opened by the same functions as those of the message path.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool, StaticPool


def make(
    dialect: str,
    connect: Callable[[], Any],
    *,
    begin: str | Callable[[Any], None],
    kept: int = 0,
) -> Engine:
    """Make an engine. `begin` begins a transaction: a statement, or a function of the connection.

    The engine keeps `kept` connections open between transactions, and tests a connection before it
    is used again. With 0 each transaction opens a connection.
    """
    pool: dict[str, Any] = (
        {"poolclass": QueuePool, "pool_size": kept, "max_overflow": -1, "pool_pre_ping": True}
        if kept
        else {"poolclass": NullPool}
    )
    engine = create_engine(f"{dialect}://", creator=connect, hide_parameters=True, **pool)
    event.listen(engine, "begin", lambda connection: _begin(connection, begin))
    return engine


def over(connection: Any, *, begin: str) -> Engine:
    """Make an engine of an open connection of SQLite, which somebody else closes."""
    engine = create_engine(
        "sqlite://", creator=lambda: connection, poolclass=StaticPool, hide_parameters=True
    )
    event.listen(engine, "begin", lambda each: _begin(each, begin))
    return engine


def _begin(connection: Connection, begin: str | Callable[[Any], None]) -> None:
    if isinstance(begin, str):
        connection.exec_driver_sql(begin)
    else:
        begin(connection.connection.dbapi_connection)


@contextmanager
def transaction(
    engine: Engine, after_commit: Callable[[Any], None] = lambda _: None
) -> Iterator[Connection]:
    """Run a transaction in the block; raise errors of the driver and not SQLAlchemy's.

    `after_commit` is called with the driver's connection before it is closed, and may raise.
    """
    try:
        with engine.connect() as connection:
            with connection.begin():
                yield connection
            after_commit(connection.connection.driver_connection)
    except DBAPIError as error:
        raise (error.orig or error) from error
