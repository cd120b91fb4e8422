"""People in a CSV file, written while they are found."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

Item = TypeVar("Item")


class _NotWritten(Exception):
    """The CSV file cannot be written; the store would take that for an error of its own."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error


@contextmanager
def rows_in(
    file: Path | None, columns: Sequence[str], row_of: Callable[[Item], Mapping[str, Any]]
) -> Iterator[Callable[[Item], None]]:
    """Return what writes a person as a row of a CSV file, if a file was named."""
    if file is None:
        yield lambda _: None
        return
    from worker.cli.outfile import written
    from worker.commands.csv_export import with_guard

    with written(file) as out:
        table = csv.DictWriter(out, columns, lineterminator="\n")
        table.writeheader()

        def add(item: Item) -> None:
            row = {name: with_guard(value) for name, value in row_of(item).items()}
            try:
                table.writerow(row)
            except OSError as error:
                raise _NotWritten(error) from error

        try:
            yield add
        except _NotWritten as failure:
            raise failure.error from None
