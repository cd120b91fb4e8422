"""The connection that writes: opened when needed, and again after errors and removed files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.core.errors import CommitsLost, Unavailable
from worker.store.files import WAL
from worker.store.locks import WriterLock
from worker.store.sqlite.errors import UNSYNCED, error_code, is_about_the_file, translated
from worker.store.sqlite.kept_wal import KeptWal
from worker.store.sqlite.opened import Opened, named
from worker.store.sqlite.removed_files import RESTORE, RemovedFiles
from worker.store.sqlite.shared import await_end

CLOSING_SECONDS = 1.0
"""How long to wait for another process's write before the file is closed as it is."""
REPLACING_SECONDS = 5.0
"""How long to wait until this process has closed its connections to a replaced file."""


class WritingConnection:
    """Opens the file for writing, and makes sure before each transaction that it is in place."""

    def __init__(self, path: Path, lock: WriterLock) -> None:
        self._path = path
        self._lock = lock
        self.opened: Opened | None = None
        self._reopen = False
        """Close and open again before the next transaction. Not at once: the files are watched
        until then, because the `-wal` may hold commits that no other process has."""
        self._kept_wal: KeptWal | None = None
        self._removed_files = RemovedFiles(path)

    @property
    def lost(self) -> CommitsLost | None:
        """Commits that were lost with a removed file, if any."""
        return self._removed_files.lost

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the writer lock during the block, with all files in place.

        Raises:
            Unavailable: the file cannot be written now.
            CommitsLost: earlier commits went with a file that somebody removed.

        """
        with self._lock.held(), translated(self._path, writes=True):
            self._check_files()
            yield

    def open(self) -> Opened:
        """Return the open database; to be called within `exclusive`.

        Raises:
            Unavailable, sqlite3.Error, OSError: it cannot be opened.

        """
        if self.opened is None:
            self.opened = Opened(self._path)
            if self._kept_wal is not None and not self._kept_wal.is_in_place():
                self._close_opened()
                raise Unavailable(f"{self._path}{WAL} was removed while the database was opened")
            self._forget_wal()
        return self.opened

    def roll_back(self, error: BaseException) -> None:
        """Roll back; after an error of the file or of SQLite, open the file again."""
        if (opened := self.opened) is None:
            return
        opened.roll_back()
        hangs = opened.connection.in_transaction  # and keeps other processes from writing
        if hangs or is_about_the_file(error) or isinstance(error, Unavailable):
            self._reopen = True
        if hangs or error_code(error) in UNSYNCED:
            with suppress(Unavailable):
                if not opened.misplaced():
                    self.drop()

    def drop(self) -> None:
        """Close the database, to be opened again; keep its `-wal` if it holds commits."""
        if self.opened is not None and (kept := self.opened.keep_wal()):
            self._forget_wal()
            self._kept_wal = kept
        self._close_opened()

    def close(self) -> None:
        """Close the database for good, with all commits in the database file if possible.

        Raises:
            CommitsLost: commits went with a file that somebody removed.
            Unavailable: the file was removed, or it is unknown whether commits were lost.

        """
        try:
            if not self.lost:
                self._finish()
        finally:
            self._close_opened()
            self._forget_wal()
        if self.lost:
            raise self.lost

    def is_misplaced(self) -> bool:
        """Return whether files were removed or replaced, so that the file must be opened again.

        Raises:
            Unavailable: unknown.

        """
        # A reader asks, without the lock: the writer may set both meanwhile.
        opened, kept = self.opened, self._kept_wal
        if opened is not None:
            return bool(opened.misplaced())
        return kept is not None and not kept.is_in_place()

    def leave_replaced_files(self) -> None:
        """Open the file again if files were removed or replaced, as `exclusive` does.

        Raises:
            Unavailable, CommitsLost, sqlite3.Error, OSError: as for `exclusive`.

        """
        with self._lock.held(REPLACING_SECONDS):
            self._check_files()

    def _check_files(self) -> None:
        """Open the database again if it, its `-wal` or its `-shm` was removed or replaced.

        Raises:
            CommitsLost: commits that only a removed `-wal` held cannot be saved.
            Unavailable: not yet.

        """
        if self.lost:
            raise self.lost
        if (opened := self.opened) is None:
            self._check_kept_wal()
        elif gone := opened.misplaced():
            self._leave_files(opened, gone)
        else:
            self._removed_files.forget()
            if self._reopen:
                self.drop()

    def _leave_files(self, opened: Opened, gone: tuple[str, ...]) -> None:
        self._removed_files.report(gone)
        self._removed_files.require_database()
        if "" in gone and WAL not in gone and self._wal_size():
            raise Unavailable(f"{self._path} was replaced, and its {WAL} was not: {RESTORE}")
        self._save(opened, gone)
        shared = opened.connection.shared
        self.drop()
        if shared and not await_end(shared.database, REPLACING_SECONDS):
            what = named(gone)
            raise Unavailable(f"{self._path}: {what} was replaced, and this process still reads it")
        self.opened = Opened(self._path, begin_anew=True)
        self._forget_wal()

    def _save(self, opened: Opened, gone: tuple[str, ...]) -> None:
        if not opened.save_commits():
            raise self._removed_files.lose(gone, opened.all_in_database_at)

    def _check_kept_wal(self) -> None:
        """Save the commits of a `-wal` that was removed while the database was closed."""
        kept = self._kept_wal
        if kept is None or kept.is_in_place():
            return
        self._removed_files.report((WAL,))
        if not kept.save_commits():
            raise self._removed_files.lose((WAL,), kept.all_in_database_at)
        self._forget_wal()

    def _finish(self) -> None:
        if (opened := self.opened) is None:
            if self._kept_wal is not None and not self._kept_wal.is_in_place():
                with self._lock.held(CLOSING_SECONDS), translated(self._path, writes=True):
                    self._check_kept_wal()
        elif gone := opened.misplaced():
            self._removed_files.report(gone)
            self._removed_files.require_database()
            if "" not in gone:  # else the file in its place is another database
                with self._lock.held(), translated(self._path, writes=True):
                    self._save(opened, gone)
        else:
            with suppress(Unavailable), self._lock.held(CLOSING_SECONDS):
                if not opened.misplaced():
                    opened.empty_wal()

    def _wal_size(self) -> int:
        return Path(f"{os.path.realpath(self._path)}{WAL}").stat().st_size

    def _close_opened(self) -> None:
        opened, self.opened = self.opened, None
        self._reopen = False
        if opened is not None:
            opened.close()

    def _forget_wal(self) -> None:
        kept, self._kept_wal = self._kept_wal, None
        if kept is not None:
            kept.close()
