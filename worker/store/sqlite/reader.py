"""Opens a database file for reading, without making or changing anything."""

import os
import sqlite3
import stat
import time
from pathlib import Path

from worker.core.errors import Misconfigured, Unavailable
from worker.store.files import WAL, require
from worker.store.sqlite.connection import (
    Connection,
    note_files,
    open_connection,
    require_no_wal_without_database,
)
from worker.store.sqlite.errors import CANNOT_MAKE_FILES, WAL_DOES_NOT_MATCH
from worker.store.sqlite.saving import await_who_saves
from worker.store.sqlite.shared import Shared, is_open_here, one_at_a_time, opening
from worker.store.sqlite.wal_index import holds_all

LOOKS_AT_WAL = 5
"""Attempts to read a `-wal` that matches its `-shm`, a millisecond apart."""


def is_there(path: Path) -> bool:
    """Return whether the database file exists, without opening it.

    Raises:
        Misconfigured: the path names something else.
        Unavailable: unknown; or the folder does not exist, or only the `-wal` is left.

    """
    folder = path.parent
    try:
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise Misconfigured(f"store.url: {folder} is not a directory")
    except FileNotFoundError:
        # It may be mounted later.
        raise Unavailable(f"store.url: the directory {folder} does not exist") from None
    except OSError as error:
        raise Unavailable(f"store.url: {folder}: {error.strerror}") from error
    try:
        require_no_wal_without_database(path)
        if stat.S_ISDIR(path.stat().st_mode):
            raise Misconfigured(f"store.url: {path} is a directory; name a file in it")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unavailable(f"store.url: {path}: {error.strerror}") from error
    return True


def look(path: Path, *, trace: bool = True) -> Connection:
    """Open the file for reading; the right to read it is enough.

    SQLite needs a `-wal` and a `-shm` beside a file in WAL mode. If they do not exist and cannot be
    made, or shall not be made (`trace` False), then no process is writing, and the file is opened
    as immutable.

    Raises:
        Unavailable: the file does not exist, or was replaced.
        sqlite3.Error: it cannot be opened.

    """
    with one_at_a_time():
        if not trace and nobody_writes(path):
            await_who_saves(os.path.realpath(path))
            return open_connection(path, "mode=ro&immutable=1")
    try:
        return _look_with_others(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in CANNOT_MAKE_FILES and nobody_writes(path):
            return open_connection(path, "mode=ro&immutable=1")
        raise


def nobody_writes(path: Path) -> bool:
    """Return whether the file can be opened as immutable.

    It cannot while this process has it open: then a missing `-wal` was removed.
    """
    beside = any(Path(f"{path}{suffix}").exists() for suffix in (WAL, "-journal"))
    return not beside and not is_open_here(path)


def _look_with_others(path: Path) -> Connection:
    with opening(require(path), os.path.realpath(path)) as shared:
        connection = open_connection(path, "mode=ro")
        try:
            note_files(connection, shared)
            _require_every_commit(shared)
        except BaseException:
            connection.shared = None
            connection.close()
            raise
        return connection


def _require_every_commit(shared: Shared) -> None:
    """Make sure that a reader sees every commit, also while another process is writing.

    Raises:
        Unavailable: the `-wal` in place does not belong to the `-shm`.

    """
    for _ in range(LOOKS_AT_WAL):
        header = shared.header()
        if header is None or header.all_in_database:
            return
        if holds_all(header, f"{shared.path}{WAL}"):
            return
        time.sleep(0.001)
    raise Unavailable(f"{shared.path}: {WAL_DOES_NOT_MATCH}")
