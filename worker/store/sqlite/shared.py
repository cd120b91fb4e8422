"""The `-shm` that all connections of this process to a database file share.

SQLite opens it with the first connection and closes it with the last (`unixShmNode` in os_unix.c),
even if the file was removed or replaced meanwhile. So a process leaves a removed `-shm` only by
closing all its connections, and this module counts them.

Closing any descriptor of a `-shm` or a database file releases all POSIX locks of the process on it
(https://sqlite.org/howtocorrupt.html#posix_close_bug). So our descriptor is closed when SQLite has
closed its own.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.core.errors import Unavailable
from worker.store.files import SHM, Identity, held_open, identity
from worker.store.sqlite import wal_index
from worker.store.sqlite.saving import await_who_saves


class Shared:
    """The connections of this process to a database file."""

    def __init__(self, database: Identity, path: str) -> None:
        self.database = database
        self.path = path
        self.shm: Identity | None = None
        """None: there is no `-shm` yet."""
        self.connections = 0
        self._descriptor: int | None = None
        self._guard: sqlite3.Connection | None = None

    def read(self) -> bytes | None:
        """Read the header of the open `-shm`, which may have been removed; see `wal_index.read`."""
        return None if self._descriptor is None else wal_index.read(self._descriptor)

    def header(self) -> wal_index.Header | None:
        """Read and parse the header."""
        return wal_index.parse(self.read())

    def require_in_place(self) -> None:
        """Make sure that another process that opens the file now gets the same `-shm`.

        Raises:
            Unavailable: it was removed or replaced.

        """
        if self.shm is not None and identity(f"{self.path}{SHM}") != self.shm:
            raise Unavailable(f"{self.path}{SHM} was removed, and this process still has it open")

    def keep(self, guard: Callable[[], sqlite3.Connection] | None) -> None:
        """Note which `-shm` it is, after a connection was opened; open a guard for writers.

        The guard is a connection that may only read, and is closed last. SQLite's last connection
        to a file that may write copies the `-wal` into the file and removes it, although by then
        the `-wal` may belong to another process. With the guard no connection that may write is
        the last.

        Raises:
            Unavailable: the `-shm` was removed at the same moment.

        """
        if self.shm is None and (found := identity(f"{self.path}{SHM}")):
            if not held_open([found]):
                raise Unavailable(f"{self.path}{SHM} was replaced while it was opened")
            self._descriptor = os.open(f"{self.path}{SHM}", os.O_RDONLY | os.O_CLOEXEC)
            self.shm = found
        if guard and self._guard is None:
            self._guard = guard()

    def end(self) -> None:
        """Close guard and descriptor, after the last connection was closed."""
        if self._guard is not None:
            self._guard.close()
            self._guard = None
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


_shared: dict[Identity, Shared] = {}
_changed = threading.Condition(threading.RLock())


@contextmanager
def opening(database: Identity, path: str, *, begin_anew: bool = False) -> Iterator[Shared]:
    """Open a connection in the block, alone in this process; count it unless the block fails.

    `begin_anew`: make a new `-shm` although other processes may have the file open with another.

    Raises:
        Unavailable: the `-shm` was removed, and a process still has it open.

    """
    with _changed:
        shared = _shared.setdefault(database, Shared(database, path))
        shared.connections += 1
        try:
            if shared.connections > 1:
                shared.require_in_place()
            elif not begin_anew:
                await_who_saves(path)
            yield shared
        except BaseException:
            leave(shared)
            raise


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Keep other threads from opening or closing connections during the block."""
    with _changed:
        yield


@contextmanager
def closing(shared: Shared) -> Iterator[None]:
    """Close a connection in the block, and count it no longer."""
    with _changed:
        try:
            yield
        finally:
            leave(shared)


def leave(shared: Shared) -> None:
    """Count a connection no longer; after the last, close what was kept."""
    with _changed:
        shared.connections -= 1
        if not shared.connections:
            _shared.pop(shared.database, None)
            shared.end()
            _changed.notify_all()


def is_open_here(path: Path) -> bool:
    """Return whether this process has a connection to the file."""
    with _changed:
        return identity(path) in _shared


def await_end(database: Identity, seconds: float) -> bool:
    """Wait until this process has no connection to the file; return whether it has none."""
    with _changed:
        return _changed.wait_for(lambda: database not in _shared, seconds)
