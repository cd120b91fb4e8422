"""Leaves nothing of deleted rows in a database file, its `-wal` and its unused pages.

SQLite overwrites what is deleted with `secure_delete`. Older copies stay all the same: in pages
that were freed or split before, and in the `-wal`. So the `-wal` is copied and truncated, and if
the file still has an address somewhere, it is rewritten (`VACUUM`), while all others wait.

https://sqlite.org/pragma.html#pragma_secure_delete
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from worker.core.errors import Unavailable
from worker.store.files import WAL
from worker.store.sqlite.connection import SMALL_CACHE_KIB, connect
from worker.store.sqlite.errors import translated

CHECKPOINT_SECONDS = 20.0
"""How long to wait for processes that read an older state of the database."""
_PIECE = 8 * 1024 * 1024
_BETWEEN = 32
"""Bytes between local part and domain, at most."""
_SIGNS = frozenset(
    {b"@", b"at", b"40", b"u0040", b"x40", b"64", b"commat", b"2540", b"\xef\xbc\xa0"}
)
"""Spellings of the sign between them, without what may stand around it."""
_AROUND = b" \t\r\n()[]{}<>\\%=&#;"


def wipe(path: Path, keys: Sequence[str]) -> bool:
    """Empty the `-wal`, and rewrite the file if it still has an address; return whether it did.

    The writer lock is held.

    Raises:
        Unavailable: a process keeps the `-wal`, or the disk has no room for the copy.

    """
    with translated(path, writes=True):
        connection = connect(path, cache_kib=SMALL_CACHE_KIB)
        try:
            _empty_wal(connection, path)
            if not has_any(path, keys):
                return False
            connection.execute("PRAGMA secure_delete = ON")
            connection.execute("VACUUM")
            _empty_wal(connection, path)
        finally:
            connection.close()
    return True


def _empty_wal(connection: sqlite3.Connection, path: Path) -> None:
    deadline = time.monotonic() + CHECKPOINT_SECONDS
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"{path}{WAL} still has what was deleted, because another process reads an older "
                "state of the database: end that process, and run the command again"
            )
        time.sleep(0.05)


def has_any(path: Path, keys: Sequence[str]) -> bool:
    """Return whether a file has one of these addresses anywhere, in upper or lower case."""
    parts = [
        (local.lower().encode(), domain.lower().encode())
        for local, _, domain in (key.rpartition("@") for key in keys)
    ]
    longest = max((len(local) + len(domain) for local, domain in parts), default=0) + _BETWEEN
    return any(
        _has(piece, local, domain) for piece in _pieces(path, longest) for local, domain in parts
    )


def _pieces(path: Path, overlap: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        before = b""
        while piece := file.read(_PIECE):
            text = before + piece.lower()
            yield text
            before = text[-overlap:]


def _has(text: bytes, local: bytes, domain: bytes) -> bool:
    """Look for both with a spelling of the sign between them.

    What comes before and behind does not count: texts of a row stand side by side in a file.
    """
    at = text.find(local)
    while at >= 0:
        behind = at + len(local)
        found = text.find(domain, behind + 1, behind + _BETWEEN + len(domain))
        if found > 0 and text[behind:found].translate(None, _AROUND) in _SIGNS:
            return True
        at = text.find(local, at + 1)
    return False
