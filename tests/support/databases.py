"""PostgreSQL as tests want it."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 4 * 1024**3
_PREFIX = "ses-worker-tests-"


@contextmanager
def folder_of_a_server(on_disk: Path) -> Iterator[Path]:
    """Yield a folder in memory for a server's files, where there is room; else the one on disk.

    Each test makes a database of some 300 files and drops it. ext4 passes over every inode that was
    freed within the last seconds before it gives one to a new file: half of the suite's CPU time.
    """
    _clear_away()
    if not (os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES):
        yield on_disk
        return
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=MEMORY))
    folder.chmod(0o711)  # PostgreSQL does not run as root
    try:
        yield folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_away() -> None:
    """Remove what processes have left that were killed: it would fill the memory."""
    for folder in MEMORY.glob(f"{_PREFIX}*"):
        if not Path("/proc", folder.name.removeprefix(_PREFIX).partition("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)


def not_waiting_for_its_disk(url: str) -> None:
    """Let a server not wait for its disk, which would matter only if the machine lost its power."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET fsync = off")
        admin.execute("ALTER SYSTEM SET full_page_writes = off")
        admin.execute("SELECT pg_reload_conf()")
