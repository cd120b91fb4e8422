"""The writer lock of a SQLite file that several processes share.

SQLite before 3.51.3 can corrupt a WAL database when two connections write or checkpoint at the same
moment (https://sqlite.org/wal.html#walresetbug), and the daemon and commands run at the same time.
So a process that writes holds an advisory lock on a file beside the database.
"""

import errno
import fcntl
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from worker.core.errors import Unavailable
from worker.store.files import Identity, identity
from worker.store.holders import holder_named
from worker.store.making import open_lock
from worker.store.rights import access_problem, lock_of_another
from worker.timing.deadlines import left

WAIT_SECONDS = 30.0
"""How long to wait for another writer. A batch takes milliseconds, a backup takes seconds."""

_REMOVED = (
    "Somebody removed the lock file. The worker has made a new lock file, and nothing is lost. "
    "Do not remove it, although it is empty"
)

log = structlog.get_logger()


class WriterLock:
    """A lock that one thread of one process holds at a time, and that ends with its process."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = Path(f"{database}.lock")
        self._thread = threading.Lock()
        self._descriptor: int | None = None
        self._locked_for: Identity | None = None
        """The database that the path named when the lock file was opened."""

    @contextmanager
    def held(self, wait_budget: float = WAIT_SECONDS) -> Iterator[None]:
        """Wait for the lock for `wait_budget` seconds; hold it during the block.

        Raises:
            Unavailable: another thread or process held it all the time.

        """
        wait_budget = max(0.0, min(wait_budget, left()))
        deadline = time.monotonic() + wait_budget
        if not self._thread.acquire(timeout=wait_budget):
            raise Unavailable(f"another thread has been writing for {wait_budget:.0f} s")
        try:
            descriptor = self._acquired(deadline, wait_budget)
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            self._thread.release()

    def require_in_place(self) -> None:
        """Make sure, while the lock is held, that no process could hold another lock file.

        If another process could, SQLite's own locks have kept the writers apart, but they do not
        help against its bug.

        Raises:
            Unavailable: the lock file was removed or replaced.

        """
        if self._descriptor is None or not self._is_in_place(self._descriptor):
            raise Unavailable(f"{self._path} was removed during the commit")

    def _acquired(self, deadline: float, wait_budget: float) -> int:
        try:
            while True:
                descriptor = self._open()
                self._wait(descriptor, deadline, wait_budget)
                if self._is_in_place(descriptor):
                    return descriptor
                self.close()  # other processes lock the file that took its place
                log.error("store.files_replaced", files=[str(self._path)], hint=_REMOVED)
        except OSError as error:
            self.close()
            is_access = isinstance(error, PermissionError) or error.errno == errno.EROFS
            why = access_problem(self._database) if is_access else None
            whose = f"; {why}" if why else ""
            raise Unavailable(f"cannot lock {self._path}: {error.strerror}{whose}") from error

    def _open(self) -> int:
        database = identity(self._database)
        if self._descriptor is not None and database != self._locked_for:
            self._follow(database)
        if self._descriptor is None:
            # All names of the database, such as symbolic links, lead to the same lock file.
            self._path = Path(f"{os.path.realpath(self._database)}.lock")
            self._locked_for = database
            self._descriptor = open_lock(self._path)
            if found := lock_of_another(self._database):
                log.warning("store.lock_of_another", error=found.message, hint=found.fix)
        return self._descriptor

    def _follow(self, database: Identity | None) -> None:
        """Close the lock file if the path of the database leads to another file now."""
        if Path(f"{os.path.realpath(self._database)}.lock") == self._path:
            self._locked_for = database
        else:
            self.close()

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))  # noqa: PTH116 cheap
        except FileNotFoundError:
            return False

    def _wait(self, descriptor: int, deadline: float, wait_budget: float) -> None:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    what = f"has held {self._path} for {wait_budget:.0f} s, and nothing is written"
                    raise Unavailable(
                        f"{holder_named([self._path])} {what} meanwhile. "
                        "End that process if it is no ses-worker"
                    ) from None
                time.sleep(random.uniform(0.0005, 0.005))  # noqa: S311 jitter, not a secret
            else:
                return

    def close(self) -> None:
        """Close the lock file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
