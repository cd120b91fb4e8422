"""The database opened for writing: checks its files, empties its `-wal`, saves removed commits.

All methods are called while the writer lock is held.
"""

import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from worker.core.errors import Unavailable
from worker.store.files import SHM, WAL, identity
from worker.store.sqlite.connection import CHECKPOINT_PAGES, Connection, connect
from worker.store.sqlite.errors import FULL, UNSYNCED
from worker.store.sqlite.kept_wal import KeptWal
from worker.store.sqlite.shared import Shared
from worker.store.sqlite.wal_index import (
    Header,
    count_frames,
    has_all,
    holds_all,
    parse,
)


class Opened:
    """A connection that writes, and the state of its files at the last commit."""

    def __init__(
        self, path: Path, connection: Connection | None = None, *, begin_anew: bool = False
    ) -> None:
        """Open the file; or use an open connection, which the caller closes.

        `begin_anew`: the database holds all commits of a removed `-wal`, so a new `-wal` may be
        made.

        Raises:
            Unavailable: the file does not exist, or its `-wal` and `-shm` do not match.
            sqlite3.Error: it cannot be opened.

        """
        self._path = path
        self.connection = connection or connect(path, begin_anew=begin_anew)
        self.all_in_database_at = self._now_if_all_in_database()
        """When the database file last held every commit, in UTC; None: unknown."""
        self._note_wal_index()

    def _now_if_all_in_database(self) -> str | None:
        header = self.connection.shared.header() if self.connection.shared else None
        complete = header is not None and header.all_in_database
        return datetime.now(UTC).isoformat(timespec="seconds") if complete else None

    def misplaced(self) -> tuple[str, ...]:
        """Return the suffixes of files that were removed or replaced: `""`, `-wal`, `-shm`."""
        return self.connection.misplaced()

    def look_where_it_went(self) -> None:
        """Make sure that a commit went into the files that other processes see.

        They may have been replaced since the transaction began.

        Raises:
            Unavailable: it did not.

        """
        if gone := self.misplaced():
            raise Unavailable(f"{self._path}: {named(gone)} was replaced during the commit")
        self._note_wal_index()

    def _note_wal_index(self) -> None:
        """Note how far the `-wal` extends, by commits that count."""
        shared = self.connection.shared
        self._counted = shared.read() if shared else None

    def checkpoint(self, pages: int | None = None) -> None:
        """Copy the `-wal` into the database file if it has so many pages, or `CHECKPOINT_PAGES`.

        SQLite would do so during COMMIT, before `look_where_it_went`.

        Raises:
            sqlite3.Error: an fsync failed. Other errors will occur again at the next commit.

        """
        least = CHECKPOINT_PAGES if pages is None else pages
        if self._counted is None or count_frames(self._counted) < least:
            return
        try:
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if error.sqlite_errorcode in UNSYNCED:
                raise
        else:
            self.all_in_database_at = self._now_if_all_in_database() or self.all_in_database_at

    def empty_wal(self) -> None:
        """Copy the `-wal` into the database file and empty it, if other processes permit it."""
        with suppress(sqlite3.Error):
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def save_commits(self) -> bool:
        """Copy commits that only a removed `-wal` holds into the file; return False if any is lost.

        Raises:
            Unavailable: not now, because a process still reads an older state, or the disk is full.

        """
        gone, shared, wal = self.misplaced(), self.connection.shared, self.connection.wal_descriptor
        if WAL not in gone or "" in gone or shared is None or wal is None:
            return True
        header = shared.header()
        if header is None:
            return False
        in_place = f"{shared.path}{WAL}"
        if self._is_copied(header, in_place):
            return True
        if identity(f"{shared.path}{SHM}") not in {None, shared.shm}:  # others have a new -wal
            return header.all_in_database
        if not (header.all_in_database or (has_all(header, wal) and self._copy_in(shared))):
            return False
        with suppress(FileNotFoundError):  # an older -wal: it would hide what the database holds
            os.truncate(in_place, 0)
        return True

    def _is_copied(self, header: Header, wal: str) -> bool:
        """Return whether the `-wal` was replaced by a copy that holds all commits that count."""
        known = header, parse(self._counted)
        return any(item and item.frames > 0 and holds_all(item, wal) for item in known)

    def _copy_in(self, shared: Shared) -> bool:
        try:
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if error.sqlite_errorcode in FULL:  # the removed -wal stays open until there is room
                raise Unavailable(
                    f"{self._path}: {WAL} was removed, and no room is left to fix that: {error}"
                ) from error
            return False
        header = shared.header()
        if header is None or not header.all_in_database:
            raise Unavailable(f"{self._path}: {WAL} was removed, and a reader delays the repair")
        return True

    def keep_wal(self) -> KeptWal | None:
        """Take over the descriptor of the `-wal`; None if the database file holds all commits.

        The header is that of the last commit that counts: a later commit went elsewhere.
        """
        shared, wal = self.connection.shared, self.connection.wal_descriptor
        counted = parse(self._counted)
        if shared is None or wal is None or counted is None:
            return None
        if (header := shared.header()) is not None and header.all_in_database:
            return None
        self.connection.wal_descriptor = None
        return KeptWal(shared, counted, wal, self.all_in_database_at)

    def roll_back(self) -> None:
        """Roll back the transaction, if there is one."""
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the connection; the files stay as they are."""
        with suppress(sqlite3.Error):
            self.connection.close()


def named(suffixes: tuple[str, ...]) -> str:
    """Name the files for people; the database's own suffix is empty."""
    return ", ".join(suffix or "the file" for suffix in suffixes)
