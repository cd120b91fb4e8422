"""The file as it was opened, and whether it is still the one that everybody else sees."""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from worker.errors import Unavailable
from worker.store.sqlite.connection import connect

Identity = tuple[int, int]
"""A file's device and inode."""


class Opened:
    """The connection that writes, and the files that it writes to.

    They may be replaced or removed at any time, by a restored backup say; SQLite would go on with
    the files that it once opened.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            Unavailable: it is not there.
            sqlite3.Error: it cannot be opened.

        """
        self._path = path
        self._identity = _identify(path)
        self.connection = connect(path)
        self._log = f"{os.path.realpath(path)}-wal"
        self._log_identity = _identify(self._log)

    def is_current(self) -> bool:
        """Tell whether the file of that name is the one that is open.

        Raises:
            Unavailable: there is none.

        """
        return _identify(self._path) == self._identity

    def is_ours(self) -> bool:
        """Tell the same; one that is not there is not ours."""
        try:
            return self.is_current()
        except Unavailable:
            return False

    def look_where_it_went(self) -> None:
        """Make sure that what was committed is in the files that everybody else sees.

        They may have been replaced while we waited for somebody else's transaction.

        Raises:
            Unavailable: it is not.

        """
        found = _identify(self._path), _identify(self._log)
        if found != (self._identity, self._log_identity):
            raise Unavailable(f"{self._path}: the file or its -wal was replaced during the commit")

    def roll_back(self) -> None:
        """Leave nothing behind."""
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close, as far as that goes."""
        with suppress(sqlite3.Error):
            self.connection.close()


def _identify(path: str | Path) -> Identity:
    try:
        found = os.stat(path)  # noqa: PTH116 Path.stat costs more, and this is on the path
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    return found.st_dev, found.st_ino
