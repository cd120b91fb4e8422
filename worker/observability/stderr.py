"""The output of the log: standard error, a line at a time or several with a single write.

The worker goes on if nobody reads standard error, or if its disk is full.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from worker.observability.line_writer import LineWriter

MOST_HELD = 65_536
"""Characters of lines that are collected before they are written."""
FLUSH_SECONDS = 2.0
"""Time limit at the end, for lines that are still to be written."""


class Held(threading.local):
    """Lines of this thread that are collected; None: each line is written at once."""

    lines: list[str] | None = None
    characters = 0


class Out:
    """A stream for structlog. Thread-safe: a line, or several, is a single write."""

    def __init__(self) -> None:
        self.stream: TextIO | None = None
        """None: standard error at the time of a line."""
        self._held = Held()
        self._writer: LineWriter | None = None

    @property
    def lost(self) -> int:
        """Lines that were dropped, or could not be written."""
        return self._writer.lost if self._writer else 0

    @property
    def is_stuck(self) -> bool:
        """Nobody reads the stream."""
        return self._writer is not None and self._writer.is_stuck

    @property
    def failure(self) -> Exception | None:
        """Why the last line could not be written; None: it was written."""
        return self._writer.failure if self._writer else None

    def write(self, line: str) -> None:
        """Write a line, or collect it."""
        held = self._held
        if held.lines is None:
            self._write(line)
            return
        held.lines.append(line)
        held.characters += len(line)
        if held.characters > MOST_HELD:
            self._write("".join(held.lines))
            held.lines, held.characters = [], 0

    def flush(self) -> None:
        """Do nothing: each write is flushed."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write this thread's lines with a single call at the end of the block; never nested.

        A call for each line costs more than the line, and releases the interpreter.
        """
        held = self._held
        held.lines, held.characters = [], 0
        try:
            yield
        finally:
            lines, held.lines = held.lines, None
            if lines:
                self._write("".join(lines))

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Let a thread write the lines from now on: no other thread waits for the reader."""
        self._writer = LineWriter()
        try:
            yield
        finally:
            self._writer.finish(FLUSH_SECONDS)
            # The writer stays, stuck or not: later lines must not make a thread wait, either.

    def finish(self, seconds: float) -> None:
        """Wait for lines that are still to be written, for at most `seconds`."""
        if self._writer:
            self._writer.finish(seconds)

    def hand(self, write: Callable[[], object], size: int) -> None:
        """Enqueue the write of a line, of `size` bytes, to another place than standard error."""
        if self._writer:
            self._writer.put(write, size, lines=lambda: 1)
        else:
            write()

    def _write(self, text: str) -> None:
        if self._writer is None:
            self.write_now(text)
        else:
            # Not through the stream: a thread that hangs in it would keep Python from ending.
            unwritten = Unwritten(text)
            self._writer.put(unwritten.write, len(unwritten.data), lines=unwritten.count_lines)

    def write_instead(self, text: str) -> None:
        """Write a line to standard error, within `hand`, because the other place failed.

        Raises:
            OSError, ValueError: it cannot be written either; the caller counts it.

        """
        if self._writer:
            Unwritten(text).write()
        else:
            self.write_now(text)

    def write_now(self, text: str) -> None:
        """Write to the stream, and wait for its reader."""
        with suppress(OSError, ValueError):
            stream = self.stream or sys.stderr
            stream.write(text)
            stream.flush()


class Unwritten:
    """Lines that are not yet written to standard error."""

    def __init__(self, text: str) -> None:
        self.data = text.encode("utf-8", "backslashreplace")

    def write(self) -> None:
        """Write all lines; if that fails, the unwritten lines stay.

        Raises:
            OSError, ValueError: it cannot be written.

        """
        number = sys.stderr.fileno()
        while self.data:
            self.data = self.data[os.write(number, self.data) :]

    def count_lines(self) -> int:
        """Count the unwritten lines; a line written in part counts."""
        return self.data.count(b"\n")


OUT = Out()
lines_together = OUT.together
