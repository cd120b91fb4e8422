"""Where lines of the log go: standard error, one by one or several with one call.

Its reader may be gone, or its disk full: the work goes on.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

MOST_HELD = 65_536
"""Characters of lines that are written together."""


class Held(threading.local):
    """Lines of this thread that are to be written together; None: each is written at once."""

    lines: list[str] | None = None
    characters = 0


class Out:
    """As much of a stream as structlog asks for. Thread-safe: a line, or several, is one call."""

    def __init__(self) -> None:
        self.stream: TextIO | None = None
        """None: whatever is standard error at the moment."""
        self._held = Held()

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
        """Write what this thread says in the block with one call at its end; not to be nested.

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

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):
            stream = self.stream or sys.stderr
            stream.write(text)
            stream.flush()


OUT = Out()
lines_together = OUT.together
