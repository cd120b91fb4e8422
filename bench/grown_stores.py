"""Databases of any size for `bench.answers`: one at a time, removed after the block."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
from msgspec import Struct

from bench.invented_figures import fill_postgresql, fill_sqlite
from bench.machine import family_seconds
from bench.places import OUT
from bench.postgresql import running_server
from bench.spread import spread, spread_postgresql

_FILE = OUT / "answers.db"
_DATABASE = "answers"


class Place(Struct, frozen=True, kw_only=True):
    """A database that is filled."""

    url: str
    megabytes: Callable[[], float]
    is_file: bool
    server_seconds: Callable[[], float] = lambda: 0.0
    """The CPU time of the database server so far."""


Making = Callable[[int], AbstractContextManager[Place]]
"""Makes a database with so many users and events."""


@contextmanager
def grown_stores(store: str) -> Iterator[Making]:
    """Return how databases are made, for the block."""
    if store == "sqlite":
        yield _file
        return
    with running_server() as server:

        @contextmanager
        def database(size: int) -> Iterator[Place]:
            home = str(server.get_uri("postgres"))
            url = str(server.get_uri(_DATABASE))
            _execute(home, f"CREATE DATABASE {_DATABASE}")
            try:
                spread_postgresql(url, size, size)
                fill_postgresql(url, size)
                _execute(url, "VACUUM ANALYZE")
                _execute(url, "CHECKPOINT")
                yield Place(
                    url=url,
                    megabytes=lambda: _megabytes(url),
                    is_file=False,
                    server_seconds=lambda: family_seconds(server.get_postmaster_info().pid),
                )
            finally:
                _execute(home, f"DROP DATABASE {_DATABASE} WITH (FORCE)")

        yield database


@contextmanager
def _file(size: int) -> Iterator[Place]:
    _remove()
    try:
        spread(_FILE, size, size)
        fill_sqlite(_FILE, size)
        yield Place(
            url=f"sqlite:///{_FILE}",
            megabytes=lambda: _FILE.stat().st_size / 1e6,
            is_file=True,
        )
    finally:
        _remove()


def _remove() -> None:
    for left in OUT.glob(f"{_FILE.name}*"):
        left.unlink()


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


def _megabytes(url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT pg_database_size(current_database())"
        (found,) = connection.execute(query).fetchone() or (0,)
        return float(found) / 1e6
