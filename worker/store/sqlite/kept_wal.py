"""The `-wal` of a closed connection, kept open until the database is opened again.

After an error the database is closed and opened again. If opening fails too, and somebody removes
the `-wal` before it succeeds, SQLite makes a new `-wal`, and commits would be lost without a trace.
So the header of the `-shm` and an open descriptor of the `-wal` are kept meanwhile. With them a
missing `-wal` is noticed, and restored where that is safe.
"""

import os
import struct
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from worker.core.errors import Unavailable
from worker.store.files import WAL, identity
from worker.store.sqlite.saving import is_time_to_save, others_kept_out
from worker.store.sqlite.shared import Shared, await_end, one_at_a_time
from worker.store.sqlite.wal_index import (
    FRAME_HEADER_BYTES,
    SALTS,
    Header,
    frame_at,
    has_all,
    holds_all,
)

READERS_SECONDS = 5.0
"""How long to wait until this process has closed its connections that read the file."""
_COPY_BYTES = 1024 * 1024


class KeptWal:
    """`is_in_place` may be called at any time, by any thread.

    The other methods are called while the writer lock is held and no connection of ours writes.
    """

    def __init__(
        self, shared: Shared, header: Header, descriptor: int, all_in_database_at: str | None
    ) -> None:
        """Take over the descriptor of the `-wal`."""
        self.all_in_database_at = all_in_database_at
        self._path, self._database = shared.path, shared.database
        self._wal_path = f"{shared.path}{WAL}"
        self._header = header
        self._descriptor = descriptor
        self._closing = threading.Lock()
        """Held while the descriptor is closed, and while a thread looks without the writer lock."""
        self._is_closed = False
        self._content = _version(shared.path)

    def close(self) -> None:
        """Close the descriptor; the commits are where the next connection finds them, or lost."""
        with self._closing:
            self._is_closed = True
            os.close(self._descriptor)

    def is_in_place(self) -> bool:
        """Return whether its commits are where the next connection finds them, without a search.

        True once it is closed.

        Raises:
            Unavailable: unknown.

        """
        with self._closing:
            return self._is_closed or self._holds_commits()

    def _holds_commits(self) -> bool:
        found = os.fstat(self._descriptor)
        return (
            identity(self._wal_path) == (found.st_dev, found.st_ino)
            # Somebody has put another database in place, or removed it: that is not our loss.
            or identity(self._path) != self._database
            # SQLite overwrites a -wal only when the database holds all of it.
            or not has_all(self._header, self._descriptor)
            or holds_all(self._header, self._wal_path)
        )

    def save_commits(self) -> bool:
        """Make sure that the commits are in the database or in a `-wal`; return whether they are.

        Raises:
            Unavailable: not now, because the file is open elsewhere.
            OSError: not now.

        """
        if not await_end(self._database, READERS_SECONDS):
            raise Unavailable(f"{self._wal_path} was removed, and this process reads the database")
        with one_at_a_time(), others_kept_out(self._path) as (database, is_alone):
            if self._is_in(database):
                return True
            if not is_alone:
                if is_time_to_save(self._path):
                    raise Unavailable(
                        f"{self._wal_path} was removed while another process has the file open, "
                        "which may save the commits within a minute"
                    )
                return False
            if self._content != _version(self._path) or _size(self._wal_path):
                return False  # somebody has written since, and older pages would destroy that
            self._put_back()
            return True

    def _is_in(self, database: int) -> bool:
        """Return whether the database file holds the last version of each page in the `-wal`.

        It does if another process has copied the `-wal` into the file, as SQLite does when the last
        connection is closed.
        """
        size = self._header.page_bytes
        return all(
            os.pread(database, size, (page - 1) * size) == os.pread(self._descriptor, size, at)
            for page, at in self._last_versions().items()
        )

    def _last_versions(self) -> dict[int, int]:
        """Find, for each page in the `-wal`, the position of its last committed version."""
        committed: dict[int, int] = {}
        since_commit: dict[int, int] = {}
        pages = 0
        for page, pages_at_commit, at in self._frames():
            since_commit[page] = at
            if pages_at_commit:
                pages, committed = pages_at_commit, committed | since_commit
                since_commit = {}
        return {page: at for page, at in committed.items() if page <= pages}

    def _frames(self) -> Iterator[tuple[int, int, int]]:
        """Yield the number of each page, the size of the database if it ends a commit, a position.

        Another process may have written more frames than the header counts.
        """
        for number in count():
            at = frame_at(self._header, number)
            frame = os.pread(self._descriptor, FRAME_HEADER_BYTES, at)
            if len(frame) < FRAME_HEADER_BYTES or frame[SALTS] != self._header.salts:
                return
            page, pages_at_commit = struct.unpack_from(">2I", frame)
            yield page, pages_at_commit, at + FRAME_HEADER_BYTES

    def _put_back(self) -> None:
        """Make the `-wal` anew, as it was; SQLite reads it when the database is opened."""
        copy = f"{self._wal_path}-restored"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        target = os.open(copy, flags, 0o600)
        try:
            self._copy_to(target)
            os.rename(copy, self._wal_path)  # noqa: PTH104 names of files, not of people
        except BaseException:
            os.unlink(copy)  # noqa: PTH108 likewise
            raise
        finally:
            os.close(target)
        _sync_folder(self._path)

    def _copy_to(self, target: int) -> None:
        database = Path(self._path).stat()
        if os.geteuid() == 0:
            os.fchown(target, database.st_uid, database.st_gid)
        os.fchmod(target, database.st_mode & 0o777)
        at = 0
        while content := os.pread(self._descriptor, _COPY_BYTES, at):
            at += os.write(target, content)
        os.fsync(target)


def _version(path: str) -> tuple[int, int] | None:
    """Return what changes when the file is written; None: it is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return 0


def _sync_folder(path: str) -> None:
    folder = os.open(Path(path).parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
