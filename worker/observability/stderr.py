"""Where lines of the log go: standard error, one by one or several with one call.

Its reader may be gone, or its disk full, or stand still: the work goes on.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from worker.observability.line_writer import LineWriter

MOST_HELD = 65_536
"""Characters of lines that are written together."""
FLUSH_SECONDS = 2.0
"""At the end, for lines that are still to be written."""


class Held(threading.local):
    """Lines of this thread that are to be written together; None: each is written at once."""

    lines: list[str] | None = None
    characters = 0


class Out:
    """A stream for structlog. Thread-safe: a line, or several, is a single write."""

    def __init__(self) -> None:
        self.stream: TextIO | None = None
        """None: whatever is standard error at the moment."""
        self._held = Held()
        self._writer: LineWriter | None = None

    @property
    def lost(self) -> int:
        """Lines that nobody has taken, or that could not be written."""
        return self._writer.lost if self._writer else 0

    @property
    def is_stuck(self) -> bool:
        """Nobody takes any."""
        return self._writer is not None and self._writer.is_stuck

    @property
    def failure(self) -> Exception | None:
        """Why the last line could not be written; None: it could."""
        return self._writer.failure if self._writer else None

    def write(self, line: str) -> None:
        """Write a line, or hold it for now."""
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
        """Do nothing: what is written is flushed."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write this thread's lines of the block with a single call at its end; not to be nested.

        A call a line costs more than the line, and lets another thread have the interpreter.
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
        """Have a thread write within the block, so that no other waits for whoever reads."""
        self._writer = LineWriter()
        try:
            yield
        finally:
            self._writer.finish(FLUSH_SECONDS)
            # It stays, stuck or not: who says something later shall not wait either.

    def finish(self, seconds: float) -> None:
        """Wait for what is still to be written, but no longer."""
        if self._writer:
            self._writer.finish(seconds)

    def hand(self, write: Callable[[], object], size: int) -> None:
        """Have a line of so many bytes written that goes elsewhere than to standard error."""
        if self._writer:
            self._writer.put(write, size, lines=lambda: 1)
        else:
            write()

    def _write(self, text: str) -> None:
        if self._writer is None:
            self.write_now(text)
        else:
            # Not through the stream: who hangs in it would keep Python from ending.
            rest = Rest(text)
            self._writer.put(rest.write, len(rest.data), lines=rest.count_lines)

    def write_instead(self, text: str) -> None:
        """Write, from within `hand`, what could not be handed over elsewhere.

        Raises:
            OSError, ValueError: it cannot be written, so that it is counted.

        """
        if self._writer:
            Rest(text).write()
        else:
            self.write_now(text)

    def write_now(self, text: str) -> None:
        """Write to the stream, and wait for whoever reads it."""
        with suppress(OSError, ValueError):
            stream = self.stream or sys.stderr
            stream.write(text)
            stream.flush()


class Rest:
    """Lines that are not written yet to standard error."""

    def __init__(self, text: str) -> None:
        self.data = text.encode("utf-8", "backslashreplace")

    def write(self) -> None:
        """Write all of them; where that fails, those that were not written stay.

        Raises:
            OSError, ValueError: it cannot be written.

        """
        number = sys.stderr.fileno()
        while self.data:
            self.data = self.data[os.write(number, self.data) :]

    def count_lines(self) -> int:
        """Count them; one that is written in part counts."""
        return self.data.count(b"\n")


OUT = Out()
lines_together = OUT.together
