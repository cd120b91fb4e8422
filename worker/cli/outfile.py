"""Files that a command writes: replaced as a whole, or left as they were."""

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import IO, cast

from worker.core.errors import Unavailable
from worker.core.masking import printable

PRIVATE = 0o600
"""Mode of a new file: exports contain personal data."""


@contextmanager
def written(path: Path) -> Iterator[IO[str]]:
    """Open a temporary file that replaces the file at the end of the block.

    A device, a pipe or our own standard output (`-`) is written directly. On a terminal control
    characters are escaped: texts of mails are untrusted.

    Raises:
        Unavailable: it cannot be written; a regular file is left as it was.

    """
    if _is_standard_output(path):
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # in any locale: it may be a file
        yield cast("IO[str]", _Terminal(sys.stdout)) if sys.stdout.isatty() else sys.stdout
        return
    try:
        with _direct(path) if _is_special(path) else _replacement(path) as file:
            yield file
    except OSError as error:
        if isinstance(error, BrokenPipeError) or error.strerror is None:
            raise
        raise Unavailable(f"cannot write {path}: {error.strerror}") from error


class _Terminal:
    """Writes whole lines to a terminal, with control characters escaped."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write("\n".join(map(printable, text.split("\n"))))


def _direct(path: Path) -> IO[str]:
    return path.open("w", encoding="utf-8", newline="")


@contextmanager
def _replacement(path: Path) -> Iterator[IO[str]]:
    path = path.resolve()  # a symbolic link is kept, and its target replaced
    temporary = path.with_name(f".ses-worker-{secrets.token_hex(8)}")
    try:
        private = partial(os.open, mode=PRIVATE)
        with open(temporary, "x", encoding="utf-8", newline="", opener=private) as file:
            yield file
            file.flush()
            _keep_owner_and_mode(path, file.fileno())
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _keep_owner_and_mode(path: Path, descriptor: int) -> None:
    with suppress(FileNotFoundError):
        before = path.stat()
        with suppress(PermissionError):  # only root may change a file's owner
            os.fchown(descriptor, before.st_uid, before.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _is_standard_output(path: Path) -> bool:
    """Return whether a path is our standard output, by any name; `>> file` is not truncated."""
    if str(path) == "-":
        return True
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(1))
    return False
