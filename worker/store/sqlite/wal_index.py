"""What a `-shm` says of its `-wal`, and whether a `-wal` is the one that it speaks of.

Both formats are documented (https://sqlite.org/walformat.html), and the same in every version since
3.7.0, since processes with different versions share the files. Reading them needs none of SQLite's
locks; a header that is just being written is no header, and is read again.
"""

import os
import struct
import sys
from typing import NamedTuple

_VERSION = 3_007_000
_HEADER_BYTES, _BACKFILLED_AT = 48, 96
_WAL_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_SALTS = slice(8, 16)
_READS = 100


class Header(NamedTuple):
    """How far the `-wal` goes, and how much of it the database file has."""

    frames: int
    backfilled: int
    page_bytes: int
    salts: bytes
    """Others with each beginning of the `-wal`, which is made when the database file has all."""
    checksum: tuple[int, int]
    """Of the last frame, and of all before it."""

    @property
    def all_in_database(self) -> bool:
        """The database file has every commit without the `-wal`."""
        return self.backfilled >= self.frames


def read(shm: int) -> bytes | None:
    """Read an open `-shm` as it is; None: it has no header, or one that is just being written."""
    for _ in range(_READS):
        raw = os.pread(shm, _BACKFILLED_AT + 4, 0)
        if raw[:_HEADER_BYTES] == raw[_HEADER_BYTES:_BACKFILLED_AT]:
            return raw if len(raw) == _BACKFILLED_AT + 4 else None
    return None


def count_frames(raw: bytes) -> int:
    """Return how long the `-wal` is, by what was read."""
    return int.from_bytes(raw[16:20], sys.byteorder)


def parse(raw: bytes | None) -> Header | None:
    """Understand what was read; None: there is nothing to understand."""
    if raw is None:
        return None
    version, initialised, unit, frames = struct.unpack_from("=I8xB1xHI", raw)
    if version != _VERSION or not initialised:
        return None
    return Header(
        frames=frames,
        backfilled=struct.unpack_from("=I", raw, _BACKFILLED_AT)[0],
        page_bytes=65_536 if unit == 1 else unit,
        salts=raw[32:40],
        checksum=struct.unpack_from("=2I", raw, 24),
    )


def has_all(header: Header, wal: int) -> bool:
    """Return whether an open `-wal` holds every frame that the `-shm` speaks of.

    The checksum of the last one is also that of all before it.
    """
    if not header.frames:
        return True
    at = _WAL_HEADER_BYTES + (header.frames - 1) * (_FRAME_HEADER_BYTES + header.page_bytes)
    frame = os.pread(wal, _FRAME_HEADER_BYTES, at)
    return (
        os.pread(wal, 8, 16) == header.salts
        and len(frame) == _FRAME_HEADER_BYTES
        and frame[_SALTS] == header.salts
        and struct.unpack_from(">2I", frame, 16) == header.checksum
    )


def holds_all(header: Header, path: str) -> bool:
    """Return the same of the file of that name; False: there is none."""
    try:
        wal = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return has_all(header, wal)
    finally:
        os.close(wal)
