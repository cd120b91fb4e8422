"""The bites of a purge: short transactions, whose size follows the time that they take."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec import Struct
from sqlalchemy import Connection, text

from worker.core.errors import Unavailable
from worker.store import Store

TARGET_SECONDS = 0.008
"""How long the statements of a bite shall take. The commit behind them takes as long for few rows
as for many: it waits for the disk, and nobody shall wait for more than 0.05 s in all."""
SLOW_SECONDS = 0.03
"""If bites take so long in all, the next has half as many rows at most."""
LOOKED_AT = 4
"""The quickest of so many bites counts: others may have kept the machine busy during the rest."""
LEAST, MOST = 100, 250
"""Rows of a bite at least, and at first, and at most. Fewer would only be more commits, which take
as long; so do the round trips to a server. Of more rows, the commit would take longer."""
CHECKPOINT_PAGES = 500
"""After a bite the `-wal` of SQLite is copied into the database if it has so many pages (2 MB). The
16 MB at which workers copy it would hold them up for longer than any bite."""
SWITCH_SECONDS = 0.0005
"""A thread that computes lets another have the interpreter after so long, while a purge runs. With
Python's 0.005 s, each statement of a bite could wait so long for it, and each of a message."""
_WORKING = "purging"
"""Of the row in `progress` that the process has locked which purges, in PostgreSQL."""


class Bite(Struct, frozen=True, kw_only=True):
    """What a transaction has removed."""

    table: str
    rows: int = 0
    looked_at: int = 0
    held_seconds: float = 0.0
    """How long it held the writer."""


class Faster(Exception):
    """Another process has changed what the bite was made for; it is rolled back."""


class Pace:
    """The size of bites."""

    def __init__(self) -> None:
        self.rows = LEAST
        self.longest = 0.0
        """The longest time for which others had to wait, for a bite or for a copy of the `-wal`."""
        self._bites: deque[tuple[float, float]] = deque(maxlen=LOOKED_AT)
        """Of the last bites the seconds of the statements for a row, and those of all."""
        self.held = 0.0
        """For how long they had to wait for the last bite, and for the copy after it."""

    @contextmanager
    def bite(self, store: Store, rows: int) -> Iterator[Connection]:
        """Begin a transaction that writes so many rows; note how long it holds the writer.

        Raises:
            Unavailable: the store cannot be written now.
            Faster: another process purges.

        """
        began = executed = None
        require_room_in(store)
        try:
            with store.writing_briefly() as connection:
                began = time.monotonic()
                _require_ours(connection)
                yield connection
                executed = time.monotonic()
        finally:
            if began is not None:
                now = time.monotonic()
                self._note(rows, (executed or now) - began, now - began)
        copying = store.copy_wal(CHECKPOINT_PAGES)
        self.longest = max(self.longest, copying)
        self.held += copying

    def _note(self, rows: int, executing: float, seconds: float) -> None:
        """Note how long the statements for so many rows took, and the whole bite."""
        self.longest = max(self.longest, seconds)
        self.held = seconds
        self._bites.append((max(executing, 0.0001) / max(1, rows), seconds))
        most = TARGET_SECONDS / min(each for each, _ in self._bites)
        if min(whole for _, whole in self._bites) > SLOW_SECONDS:
            most = min(most, self.rows / 2)
        self.rows = max(LEAST, min(MOST, int(self.rows * 1.5), int(most)))


@contextmanager
def quick_switches() -> Iterator[None]:
    """Let threads of this process take turns more often during the block."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def require_room_in(store: Store) -> None:
    """Make sure that the disk is not full: what is deleted has to be written, too.

    Raises:
        Unavailable: it is full.

    """
    space = store.disk_space()
    if space and space.is_full:
        raise Unavailable(f"{space}. Make room on it; what was purged stays purged")


def _require_ours(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        return  # the file is locked
    values = {"name": _WORKING}
    locked = text("SELECT 1 FROM progress WHERE name = :name FOR UPDATE SKIP LOCKED")
    if connection.execute(locked, values).first():
        return
    made = text("INSERT INTO progress (name, value) VALUES (:name, '') ON CONFLICT DO NOTHING")
    if connection.execute(made, values).rowcount != 1:
        raise Faster
