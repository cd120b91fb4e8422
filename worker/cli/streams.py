"""Standard input, output and error, which may be closed, full, or without a reader."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper

from worker.core.errors import Unavailable


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Handle errors of the standard streams for the block, including the last flush.

    A failed write to standard output ends the command with an error. A failed write to standard
    error is ignored.

    Raises:
        Unavailable: standard output cannot be written.
        BrokenPipeError: its reader is gone.

    """
    _fill_gaps()
    if isinstance(sys.stderr, TextIOWrapper):
        sys.stderr = _Messages(sys.stderr)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout = _Output(sys.stdout)
    try:
        yield
    finally:
        sys.stdout.flush()


class _Stream(TextIOWrapper):
    """A stream that replaces another."""

    def __init__(self, other: TextIOWrapper) -> None:
        super().__init__(
            other.buffer,
            encoding=other.encoding,
            errors=other.errors,
            line_buffering=other.line_buffering,
            write_through=other.write_through,
        )
        self._other = other  # if it were freed, it would close the buffer


class _Output(_Stream):
    def write(self, text: str) -> int:
        if text == "":  # click writes "" and b"" as a test, and hides the error
            return 0
        with self._reporting():
            return super().write(text)

    def flush(self) -> None:
        with self._reporting():
            super().flush()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # Discard the rest of the buffer, so that the interpreter's last flush does not fail.
            _redirect(self.fileno(), os.O_WRONLY)
            if error.errno == errno.EPIPE:
                raise
            raise Unavailable(f"cannot write to standard output: {error.strerror}") from error


class _Messages(_Stream):
    def write(self, text: str) -> int:
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            super().flush()


def _fill_gaps() -> None:
    """Open descriptors 0, 1 and 2 if they are closed: else the database could get such a number.

    A closed standard output is replaced by a descriptor that cannot be written, so that a write
    fails.
    """
    for number, stream, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, stream) is None:
            _redirect(number, os.O_WRONLY if number == 2 else os.O_RDONLY)
            setattr(sys, stream, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _redirect(number: int, flags: int) -> None:
    nowhere = os.open(os.devnull, flags)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)
