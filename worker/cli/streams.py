"""The standard streams, which may be closed, full, or read by nobody any more."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper

from worker.core.errors import Unavailable


@contextmanager
def minded() -> Iterator[None]:
    """Mind the standard streams for the block, down to the last flush.

    What cannot be written to standard output ends a command, in one sentence. What cannot be
    written to standard error is lost, and changes nothing else.

    Raises:
        Unavailable: standard output cannot be written.
        BrokenPipeError: nobody reads it any more.

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
    """A stream in the place of another one."""

    def __init__(self, other: TextIOWrapper) -> None:
        super().__init__(
            other.buffer,
            encoding=other.encoding,
            errors=other.errors,
            line_buffering=other.line_buffering,
            write_through=other.write_through,
        )
        self._other = other  # whose end would close the buffer


class _Output(_Stream):
    def write(self, text: str) -> int:
        if text == "":  # click tries that, and b"", and keeps what it hears to itself
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
            # What is left in the buffer goes nowhere, so that the interpreter's own last flush
            # has nothing to complain about.
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
    """Have something behind descriptors 0, 1 and 2: else the database may come to be one of them.

    A closed standard output is given what cannot be written, so that writing to it is noticed.
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
