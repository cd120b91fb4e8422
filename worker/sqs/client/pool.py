"""Keeps connections between calls: a limited number, the latest used first."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker.sqs.client.connection import Connection


class Pool:
    """Thread-safe: `list.pop` and `list.append` are atomic. Idle connections end with the pool."""

    def __init__(self, connect: Callable[[], Connection], most: int) -> None:
        self._connect = connect
        self._most = most
        self._idle: list[Connection] = []
        weakref.finalize(self, _close_all, self._idle)

    def kept(self) -> Connection | None:
        """Return a kept connection that is still open; None if there is none."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_alive:
                return connection
            connection.close()

    def drop_idle(self) -> None:
        """Close all idle connections: what ended one of them has probably ended the others."""
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def fresh(self) -> Connection:
        """Open a new connection."""
        return self._connect()

    @contextmanager
    def lent(self, connection: Connection) -> Iterator[Connection]:
        """Use a connection for a call; afterwards it is kept if it can be reused."""
        try:
            yield connection
        finally:
            if connection.keeps and len(self._idle) < self._most:
                self._idle.append(connection)
            else:
                connection.close()


def _close_all(connections: list[Connection]) -> None:
    for connection in connections:
        connection.close()
