"""Whether other users of this machine may write a SQLite database."""

import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

from worker.store.files import SHM, WAL
from worker.store.rights import AccessProblem


def writable_by_all(path: Path) -> AccessProblem | None:
    """Return which of the database's files every user may write, and the fix; None: none."""
    exposed = [file for file in _files(path) if _is_writable_by_all(file)]
    if not exposed:
        return None
    names = " ".join(shlex.quote(str(file)) for file in exposed)
    return AccessProblem(
        f"every user of this machine may write {exposed[0]}, and so change user records",
        f"chmod o-w {names}",
    )


def _files(path: Path) -> Iterator[Path]:
    real = os.path.realpath(path)
    yield from (Path(f"{real}{suffix}") for suffix in ("", WAL, SHM))
    yield Path(real).parent


def _is_writable_by_all(file: Path) -> bool:
    try:
        mode = file.stat().st_mode
    except OSError:  # it does not exist, or its folder is closed to us
        return False
    # In a sticky folder, such as /tmp, only owners may replace files.
    is_sticky_folder = stat.S_ISDIR(mode) and bool(mode & stat.S_ISVTX)
    return bool(mode & stat.S_IWOTH) and not is_sticky_folder
