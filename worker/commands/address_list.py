"""Reads a list of addresses: one a line, or CSV with a header that has a column `email`."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from worker.commands.csv_export import without_guard
from worker.core.address import parse_address
from worker.core.errors import Refused
from worker.core.limits import LONGEST_REPORTED
from worker.core.masking import cut, sanitized

_COLUMN = "email"
_DELIMITERS = (",", ";", "\t")
_LONGEST_LINE = 100_000
"""Characters of a row of CSV; a longer row is no address."""
_SHOWN = 80


def listed(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that is not empty; of CSV the text of its column `email`.

    A row of CSV is a line. If it has values in other columns alone, its text is empty, and so it is
    counted. A row with fewer or more columns than the header is yielded whole, so that it is an
    address only if nothing else stands there.

    Raises:
        Refused: the first line has several columns, and none of them is `email`, or two are.

    """
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
    first = next(numbered, None)
    if first is None:
        return
    header = _header(first[1])
    if header is None:
        yield first[0], first[1].strip()
        for number, line in numbered:
            yield number, line.strip()
        return
    delimiter, names = header
    column = names.index(_COLUMN)
    for number, line in numbered:
        row = _fields(line, delimiter)
        text = without_guard(row[column].strip()) if len(row) == len(names) else line.strip()
        if text or any(map(str.strip, row)):
            yield number, text


def _header(line: str) -> tuple[str, Sequence[str]] | None:
    """Return delimiter and columns of a header; None: the line is no header."""
    if len(line) <= LONGEST_REPORTED and parse_address(line.strip()):
        return None
    several = False
    for delimiter in _DELIMITERS:
        names = [name.strip().lower() for name in _fields(line, delimiter)]
        if names.count(_COLUMN) > 1:
            raise Refused(
                f"line 1 names {names.count(_COLUMN)} columns {_COLUMN}: rename all but one"
            )
        if _COLUMN in names:
            return delimiter, names
        several = several or len(names) > 1
    if several:
        raise Refused(
            f"line 1 has several columns, and none of them is {_COLUMN}: "
            f"{sanitized(cut(line.strip(), _SHOWN))}. Addresses stand one a line, or in CSV whose "
            f"first line names a column {_COLUMN}"
        )
    return None


def _fields(line: str, delimiter: str) -> list[str]:
    """Split a row; of an invalid row nothing is left."""
    if len(line) > _LONGEST_LINE:
        return []
    if '"' not in line:
        return line.rstrip("\r\n").split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return []
