"""The connection that writes: whether its files are in place, and what to do when they are not."""

import os
import sqlite3
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from worker.core.errors import Unavailable
from worker.store.files import SHM, WAL, identity
from worker.store.sqlite.connection import (
    CHECKPOINT_PAGES,
    FULL,
    UNSYNCED,
    Connection,
    connect,
)
from worker.store.sqlite.shared import Shared
from worker.store.sqlite.wal_index import (
    Header,
    count_frames,
    has_all,
    holds_all,
    parse,
)


class Opened:
    """All of it is requested by whoever holds the writers' lock."""

    def __init__(
        self, path: Path, connection: Connection | None = None, *, begin_anew: bool = False
    ) -> None:
        """Open the file, or look after a connection that somebody else closes.

        `begin_anew`: the database has all that a removed file held, so another may be made.

        Raises:
            Unavailable: it is not there, or its files do not belong together.
            sqlite3.Error: it cannot be opened.

        """
        self._path = path
        self.connection = connection or connect(path, begin_anew=begin_anew)
        self.all_in_database_at = self._now_if_all_is_in_database()
        """When the database file last had every commit, in UTC; None: that is not known."""
        self._learn()

    def _now_if_all_is_in_database(self) -> str | None:
        header = self.connection.shared.header() if self.connection.shared else None
        known = header is not None and header.all_in_database
        return datetime.now(UTC).isoformat(timespec="seconds") if known else None

    def misplaced(self) -> tuple[str, ...]:
        """Return which of its files were removed or replaced: `""`, `-wal`, `-shm`."""
        return self.connection.misplaced()

    def look_where_it_went(self) -> None:
        """Make sure that what was committed is in the files that everybody else sees.

        They may have been replaced since the transaction began.

        Raises:
            Unavailable: it is not.

        """
        if gone := self.misplaced():
            raise Unavailable(f"{self._path}: {named(gone)} was replaced during the commit")
        self._learn()

    def _learn(self) -> None:
        """Note how far the `-wal` goes by what was committed and counts."""
        shared = self.connection.shared
        self._counted = shared.read() if shared else None

    def checkpoint(self) -> None:
        """Bring the `-wal` into the file if it is long.

        SQLite would do so inside of COMMIT, and so before anybody has looked where that went.

        Raises:
            sqlite3.Error: the disk has refused an fsync; what else is amiss the next one meets.

        """
        if self._counted is None or count_frames(self._counted) < CHECKPOINT_PAGES:
            return
        try:
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if error.sqlite_errorcode in UNSYNCED:
                raise
        else:
            self.all_in_database_at = self._now_if_all_is_in_database() or self.all_in_database_at

    def empty_wal(self) -> None:
        """Have the file be whole without its `-wal`, as far as others let us; wait for nobody."""
        with suppress(sqlite3.Error):
            self.connection.execute("PRAGMA busy_timeout = 0")
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def save_commits(self) -> bool:
        """Copy into the file what only a removed `-wal` holds; return whether all is there.

        Raises:
            Unavailable: not yet, for somebody reads what was before.
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
        if identity(f"{shared.path}{SHM}") not in {None, shared.shm}:  # others have begun anew
            return header.all_in_database
        if not (header.all_in_database or (has_all(header, wal) and self._bring_in(shared))):
            return False
        with suppress(FileNotFoundError):  # an older one would be believed by whoever opens it
            os.truncate(in_place, 0)
        return True

    def _is_copied(self, header: Header, wal: str) -> bool:
        """What took the place of the `-wal` is a copy, with all in it that counts."""
        known = header, parse(self._counted)
        return any(item and item.frames > 0 and holds_all(item, wal) for item in known)

    def _bring_in(self, shared: Shared) -> bool:
        try:
            self.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if error.sqlite_errorcode in FULL:  # there may be room yet, and we have it until then
                raise Unavailable(
                    f"{self._path}: {WAL} was removed, and no room is left to fix that: {error}"
                ) from error
            return False
        header = shared.header()
        if header is None or not header.all_in_database:
            raise Unavailable(f"{self._path}: {WAL} was removed, and a reader delays the mending")
        return True

    def roll_back(self) -> None:
        """Leave nothing behind."""
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close, as far as that goes; the files stay as they are."""
        with suppress(sqlite3.Error):
            self.connection.close()


def named(suffixes: tuple[str, ...]) -> str:
    """Report which files; the database's own suffix is empty."""
    return ", ".join(suffix or "the file" for suffix in suffixes)
