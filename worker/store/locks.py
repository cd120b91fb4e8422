"""One writer at a time, for a SQLite file that several processes share.

SQLite before 3.51.3 can corrupt a WAL database when two connections write or checkpoint at the
same moment (https://sqlite.org/wal.html#walresetbug), and the daemon and a command do run together.
So whoever writes holds an advisory lock on a file beside the database.
"""

import fcntl
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from worker.deadlines import left
from worker.errors import Unavailable
from worker.store.rights import hindrance

PATIENCE_SECONDS = 30.0
"""How long a writer waits for another one; a batch takes milliseconds, a backup some seconds."""


class WriterLock:
    """Held by one thread of one process at a time, and gone with its process."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = Path(f"{database}.lock")
        self._thread = threading.Lock()
        self._descriptor: int | None = None

    @contextmanager
    def held(self, patience: float = PATIENCE_SECONDS) -> Iterator[None]:
        """Wait for the lock, hold it for the block.

        Raises:
            Unavailable: somebody else held it for all of `patience` seconds.

        """
        patience = max(0.0, min(patience, left()))
        deadline = time.monotonic() + patience
        if not self._thread.acquire(timeout=patience):
            raise Unavailable(f"another thread has been writing for {patience:.0f} s")
        try:
            descriptor = self._acquired(deadline, patience)
            try:
                yield
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            self._thread.release()

    def _acquired(self, deadline: float, patience: float) -> int:
        try:
            while True:
                descriptor = self._open()
                self._wait(descriptor, deadline, patience)
                if self._is_in_place(descriptor):
                    return descriptor
                self.close()  # somebody removed the file: others lock the one that took its place
        except OSError as error:
            self.close()
            why = hindrance(self._database) if isinstance(error, PermissionError) else None
            whose = f"; {why}" if why else ""
            raise Unavailable(f"cannot lock {self._path}: {error.strerror}{whose}") from error

    def _open(self) -> int:
        if self._descriptor is None:
            # However the database is named, by a symbolic link say, its lock is one file.
            self._path = Path(f"{os.path.realpath(self._database)}.lock")
            # Reading rights are enough to lock, so a lock file made by another user will do.
            flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o644)
        return self._descriptor

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self._path))  # noqa: PTH116 cheap
        except FileNotFoundError:
            return False

    def _wait(self, descriptor: int, deadline: float, patience: float) -> None:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    what = f"another process has held {self._path} for {patience:.0f} s"
                    raise Unavailable(what) from None
                time.sleep(random.uniform(0.0005, 0.005))  # noqa: S311 jitter, not a secret
            else:
                return

    def close(self) -> None:
        """Let go of the lock file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
