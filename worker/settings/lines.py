"""Finds on which line of a TOML text each key is."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def lines_of(text: str) -> dict[Path, int]:
    """Return the first line, from 1, of each table and key in a valid TOML text."""
    found: dict[Path, int] = {}
    table: Path = ()
    for number, statement in _statements(text):
        is_header = statement.lstrip().startswith("[")
        paths = list(_paths(tomllib.loads(statement)))
        if is_header:
            table = paths[-1] if paths else ()
        for path in paths:
            found.setdefault(path if is_header else (*table, *path), number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield headers and assignments, each with its first line; a value may have several lines."""
    first, statement = 0, ""
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if not statement:
            if not line.partition("#")[0].strip():
                continue
            first = number
        statement += line
        if _is_complete(statement):
            yield first, statement
            statement = ""


def _is_complete(statement: str) -> bool:
    try:
        tomllib.loads(statement)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _paths(table: Mapping[str, Any]) -> Iterator[Path]:
    for key, value in table.items():
        yield (key,)
        if isinstance(value, list) and value and isinstance(value[0], dict):  # [[table]]
            value = value[-1]  # noqa: PLW2901 the table that the statement is about
        if isinstance(value, dict):
            yield from ((key, *path) for path in _paths(value))
