"""The `-shm` that all of this process's connections to a database file share.

SQLite opens it with the first connection and keeps it until the last one is closed, whatever has
that name by then (`unixShmNode` in os_unix.c). So what is removed can only be left by closing all,
and each process has one of these for each file.

Closing any descriptor of a `-shm` or a database file takes all of the process's POSIX locks on it
away (https://sqlite.org/howtocorrupt.html#posix_close_bug). So ours is closed when SQLite's are.
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
    """Counts the connections to one database file."""

    def __init__(self, database: Identity, path: str) -> None:
        self.database = database
        self.path = path
        self.shm: Identity | None = None
        """None: the file has no WAL yet."""
        self.connections = 0
        self._descriptor: int | None = None
        self._guard: sqlite3.Connection | None = None

    def read(self) -> bytes | None:
        """Read how the `-shm` begins, be it in place or not."""
        return None if self._descriptor is None else wal_index.read(self._descriptor)

    def header(self) -> wal_index.Header | None:
        """Understand that."""
        return wal_index.parse(self.read())

    def require_in_place(self) -> None:
        """Make sure that others who open the file now get the same `-shm`.

        Raises:
            Unavailable: they do not, and nor would this process get theirs.

        """
        if self.shm is not None and identity(f"{self.path}{SHM}") != self.shm:
            raise Unavailable(f"{self.path}{SHM} was removed, and this process still has it open")

    def keep(self, guard: Callable[[], sqlite3.Connection] | None) -> None:
        """Learn which `-shm` it is, after a connection was opened; have a guard for writers.

        The guard is a connection that may only read, and is closed last. With it the last one
        that writes is not the last one, and so neither brings the `-wal` into the file nor removes
        it, which by then may be somebody else's.

        Raises:
            Unavailable: it was removed at this very moment.

        """
        if self.shm is None and (found := identity(f"{self.path}{SHM}")):
            if not held_open([found]):
                raise Unavailable(f"{self.path}{SHM} was replaced while it was opened")
            self._descriptor = os.open(f"{self.path}{SHM}", os.O_RDONLY | os.O_CLOEXEC)
            self.shm = found
        if guard and self._guard is None:
            self._guard = guard()

    def end(self) -> None:
        """Close what was kept; nobody is connected any more."""
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
    """Have one connection opened at a time; it counts unless the block breaks.

    `begin_anew`: a new `-shm` may be made although others have the file open with another.

    Raises:
        Unavailable: the `-shm` was removed, and somebody still has it open.

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
    """Have no connection of this process opened or closed meanwhile."""
    with _changed:
        yield


@contextmanager
def closing(shared: Shared) -> Iterator[None]:
    """Have a connection closed, and then no more counted."""
    with _changed:
        try:
            yield
        finally:
            leave(shared)


def leave(shared: Shared) -> None:
    """Count one connection less."""
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
    """Wait until this process has no connection to a file any more; return whether that came."""
    with _changed:
        return _changed.wait_for(lambda: database not in _shared, seconds)
