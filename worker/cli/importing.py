"""The rows of `ses-worker users import`: progress, and those that are not valid."""

import os
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from worker.cli.common import print_message
from worker.commands.csv_users import RefusedRow, read_users

if TYPE_CHECKING:
    from worker.cli.progress import Progress

MOST_REFUSED_ROWS_SHOWN = 20
"""Invalid rows that are printed, unless all of them are."""


class RefusedRows:
    """Counts invalid rows, and prints the first of them."""

    def __init__(self, *, show_all: bool) -> None:
        self.count = 0
        self._most = None if show_all else MOST_REFUSED_ROWS_SHOWN

    def sorted_out(self, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield the valid rows."""
        for row in read_users(lines):
            if isinstance(row, RefusedRow):
                self.count += 1
                if self._most is None or self.count <= self._most:
                    print_message(f"line {row.line}: {row.reason}")
            else:
                yield row

    def conclude(self) -> None:
        """Print how many invalid rows were not printed."""
        if self._most is not None and self.count > self._most:
            more = self.count - self._most
            rows = "row is" if more == 1 else "rows are"
            print_message(f"and {more:,} more {rows} refused; --json lists them all")


def with_progress(file: IO[str], progress: "Progress") -> Iterator[str]:
    """Yield the lines of a file, and show how far it was read."""
    total = os.fstat(file.fileno()).st_size or None
    done = 0
    for number, line in enumerate(file):
        yield line
        done += len(line)
        if number % 1_000 == 0:
            progress.update(done, total)
    progress.update(total or done, total)
