"""Makes a verified copy of a database while workers go on writing: a SQLite file.

A SQLite database is copied by `VACUUM INTO`, with whatever else somebody keeps in it. The tables of
a PostgreSQL database are copied into a new SQLite file, as of a single moment, and compared;
`db copy` brings them back.

The copy is made in a folder of its own beside the file, and gets its name when it is complete.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from msgspec import Struct

from worker.core.errors import Refused, Unavailable
from worker.store import Store, copying, ensure_schema
from worker.store.revision import VERSION_TABLE
from worker.store.schema import metadata
from worker.store.sqlite import SqliteStore
from worker.store.sqlite.errors import FULL, error_code
from worker.store.sqlite.live_copy import CopyFailed, Report


class BackedUp(Struct, frozen=True, kw_only=True):
    """What a backup has, as it was read back from the file."""

    file: str
    bytes: int
    revision: str
    rows: dict[str, int]
    """Rows by table."""


def back_up(store: Store, file: Path, report: Report) -> BackedUp:
    """Copy a database into a new file, read the copy back whole, and only then give it its name.

    `report` gets bytes for a SQLite database, else rows.

    Raises:
        Refused: the file exists, or the copy is not sound; no file was made.
        Unavailable: the database cannot be read, or the file not written; likewise.

    """
    if os.path.lexists(file):
        raise _exists(file)
    with _errors_of(file), _folder_beside(file) as folder:
        made = folder / "copy.db"
        if isinstance(store, SqliteStore):
            store.copy_into(made, report)
        else:
            with _under_the_name(file, made):
                _copy_rows(store, made, report)
        backed_up = _read_back(made, file)
        _put_in_place(made, file)
    return backed_up


def _exists(file: Path) -> Refused:
    return Refused(f"{file} exists, and a backup replaces nothing: name a new file")


@contextmanager
def _errors_of(file: Path) -> Iterator[None]:
    """Raise errors of the folder and the disk of the new file as `Unavailable`."""
    try:
        yield
    except CopyFailed as failed:
        raise _cannot_write(file, failed.error) from failed
    except sqlite3.DatabaseError as error:
        raise _cannot_write(file, error) from error
    except OSError as error:
        raise Unavailable(f"cannot write {file}: {error.strerror}") from error


def _cannot_write(file: Path, error: sqlite3.DatabaseError) -> Unavailable:
    if error_code(error) in FULL:
        return Unavailable(f"cannot write {file}: its disk has no room")
    return Unavailable(
        f"cannot write {file}: SQLite says {error}; if it is on a network file system, back up to "
        "a local disk, and copy the finished file there"
    )


@contextmanager
def _folder_beside(file: Path) -> Iterator[Path]:
    """Make a folder that only we may open; remove it in the end, with what is left in it."""
    folder = Path(tempfile.mkdtemp(prefix=".ses-worker-", dir=file.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _under_the_name(file: Path, made: Path) -> Iterator[None]:
    """Name the new file in an error of the copy, and not the copy."""
    try:
        yield
    except Unavailable as error:
        _, is_of_copy, why = str(error).partition(f"{made}: ")
        if not is_of_copy:
            raise
        raise Unavailable(f"cannot write {file}: {why}") from error


def _copy_rows(store: Store, made: Path, report: Report) -> None:
    target = SqliteStore(made)
    with closing(target):
        ensure_schema(target, migrate=True)
        copying.copy(store, target, report, store.snapshot())
    with closing(sqlite3.connect(made)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")  # the rest of the `-wal` into the file


def _read_back(made: Path, file: Path) -> BackedUp:
    """Read the whole copy.

    Raises:
        Refused: it is not sound.

    """
    uri = f"{made.absolute().as_uri()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        problems = [text for (text,) in connection.execute("PRAGMA integrity_check(3)")]
        if problems != ["ok"]:
            raise Refused(
                f"the copy is not sound ({'; '.join(problems)}), and was removed: the database is "
                "damaged, or the disk of the copy is"
            )
        (revision,) = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ours = sorted({name for (name,) in found} & set(metadata.tables))
        rows = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ours
        }
    return BackedUp(file=str(file), bytes=made.stat().st_size, revision=revision, rows=rows)


def _put_in_place(made: Path, file: Path) -> None:
    """Give the copy its name, unless a file has it by now; it is on the disk before and after.

    Raises:
        Refused: there is a file of that name.

    """
    made.chmod(0o600)
    _sync(made)
    try:
        _rename_to_new(made, file)
    except FileExistsError as error:
        raise _exists(file) from error
    _sync(file.parent)


def _rename_to_new(made: Path, file: Path) -> None:
    try:
        os.link(made, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        made.replace(file)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
