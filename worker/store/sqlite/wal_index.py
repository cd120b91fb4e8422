"""What a `-shm` says of its `-wal`, and whether a `-wal` is the one that it speaks of.

Both formats are documented (https://sqlite.org/walformat.html), and the same in every version since
3.7.0, since processes with different versions share the files. Reading them needs none of SQLite's
locks; a header that is just being written is no header, and is read again.
"""

import os
import struct
from pathlib import Path
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


def read(shm: int) -> Header | None:
    """Read an open `-shm`; None: it has no header that could be understood."""
    for _ in range(_READS):
        raw = os.pread(shm, _BACKFILLED_AT + 4, 0)
        if len(raw) < _BACKFILLED_AT + 4:
            return None
        first, second = raw[:_HEADER_BYTES], raw[_HEADER_BYTES:_BACKFILLED_AT]
        if first == second:
            return _parse(first, raw[_BACKFILLED_AT:])
    return None


def _parse(raw: bytes, backfilled: bytes) -> Header | None:
    version, initialised, page, frames = struct.unpack_from("=I8xB1xHI", raw)
    if version != _VERSION or not initialised:
        return None
    return Header(
        frames=frames,
        backfilled=struct.unpack("=I", backfilled)[0],
        page_bytes=65_536 if page == 1 else page,
        salts=raw[32:40],
        checksum=struct.unpack_from("=2I", raw, 24),
    )


def begins_alike(header: Header, wal: int) -> bool:
    """Tell whether an open `-wal` begins as the `-shm` says, so that it may be the one."""
    return os.pread(wal, 8, 16) == header.salts


def has_all(header: Header, wal: int) -> bool:
    """Tell whether an open `-wal` holds every frame that the `-shm` speaks of.

    The checksum of the last one is also that of all before it.
    """
    if not header.frames:
        return True
    at = _WAL_HEADER_BYTES + (header.frames - 1) * (_FRAME_HEADER_BYTES + header.page_bytes)
    frame = os.pread(wal, _FRAME_HEADER_BYTES, at)
    return (
        begins_alike(header, wal)
        and len(frame) == _FRAME_HEADER_BYTES
        and frame[_SALTS] == header.salts
        and struct.unpack_from(">2I", frame, 16) == header.checksum
    )


def holds_all(header: Header, path: str) -> bool:
    """Tell the same of the file of that name; False: there is none."""
    try:
        with Path(path).open("rb") as wal:
            return has_all(header, wal.fileno())
    except FileNotFoundError:
        return False
