"""SQLAlchemy, for what is not the path: migrations, imports, lists.

It works on connections opened exactly as the path opens them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool


@contextmanager
def transaction(
    dialect: str, connect: Callable[[], Any], begin: str | None = None
) -> Iterator[Connection]:
    """One transaction on a connection of its own; the driver's errors come out as they are.

    `begin` is said where the driver leaves it to us.
    """
    engine = create_engine(
        f"{dialect}://", creator=connect, poolclass=NullPool, hide_parameters=True
    )
    if begin:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise (error.orig or error) from error
