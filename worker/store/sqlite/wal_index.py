"""Reads the header of a `-shm` (the WAL index), and compares it with a `-wal`.

Both formats are documented (https://sqlite.org/walformat.html) and have not changed since 3.7.0,
because processes with different versions of SQLite share the files. Reading needs no lock: the
header is stored twice, and a reader tries again until both copies are equal.
"""

import os
import struct
import sys
from typing import NamedTuple

_VERSION = 3_007_000
_HEADER_BYTES, _BACKFILLED_AT = 48, 96
_WAL_HEADER_BYTES, FRAME_HEADER_BYTES = 32, 24
_SALTS = slice(8, 16)
_READS = 100


class Header(NamedTuple):
    """The length of the `-wal`, and how much of it was copied into the database file."""

    frames: int
    """Frames in the `-wal`, each with a page of the database."""
    backfilled: int
    """Frames that were copied into the database file."""
    page_bytes: int
    salts: bytes
    """Random numbers of this `-wal`. SQLite changes them when it starts over at the beginning of
    the `-wal`, once the database file holds all of it."""
    checksum: tuple[int, int]
    """Checksum of all frames up to the last."""

    @property
    def all_in_database(self) -> bool:
        """Whether the database file holds every commit without the `-wal`."""
        return self.backfilled >= self.frames


def read(shm: int) -> bytes | None:
    """Read the header of an open `-shm`; None: there is none, or it is being written."""
    for _ in range(_READS):
        raw = os.pread(shm, _BACKFILLED_AT + 4, 0)
        if raw[:_HEADER_BYTES] == raw[_HEADER_BYTES:_BACKFILLED_AT]:
            return raw if len(raw) == _BACKFILLED_AT + 4 else None
    return None


def count_frames(raw: bytes) -> int:
    """Return the number of frames, by a header as `read` returns it."""
    return int.from_bytes(raw[16:20], sys.byteorder)


def parse(raw: bytes | None) -> Header | None:
    """Parse a header as `read` returns it; None: it is not initialised."""
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


def frame_at(header: Header, number: int) -> int:
    """Return the position of a frame in the `-wal`; the first is number 0."""
    return _WAL_HEADER_BYTES + number * (FRAME_HEADER_BYTES + header.page_bytes)


def has_all(header: Header, wal: int) -> bool:
    """Return whether an open `-wal` holds every frame that the header counts.

    It is enough to look at the last frame, whose checksum covers all frames.
    """
    if not header.frames:
        return True
    frame = os.pread(wal, FRAME_HEADER_BYTES, frame_at(header, header.frames - 1))
    return (
        os.pread(wal, 8, 16) == header.salts
        and len(frame) == FRAME_HEADER_BYTES
        and frame[_SALTS] == header.salts
        and struct.unpack_from(">2I", frame, 16) == header.checksum
    )


def holds_all(header: Header, path: str) -> bool:
    """Do the same for a file by its path; False if it does not exist."""
    try:
        wal = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return has_all(header, wal)
    finally:
        os.close(wal)
