"""Changes values in a TOML text, and leaves its comments and its order as they are."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import tomlkit

Changes = Mapping[str, Mapping[str, Any]]
"""Values by section and key."""
_HEADER = re.compile(r"\s*\[\s*([\w.-]+)\s*\]")
_EXAMPLE = re.compile(r"#\s*(?P<statement>(?P<key>[\w-]+)\s*=.*\n?)")


def differing(text: str, changes: Changes) -> list[str]:
    """Return the names of the values that the text has not, such as `queue.url`."""
    there = tomllib.loads(text)
    return [
        f"{section}.{key}"
        for section, values in changes.items()
        for key, value in values.items()
        if there.get(section, {}).get(key) != value
    ]


def edited(text: str, changes: Changes) -> str:
    """Set values in the text of a TOML file.

    A key that the text has as an example, behind `#`, gets its place.
    """
    desired = _merged(tomllib.loads(text), changes)
    for start in (_with_examples(text, changes), text):
        result = _set(start, changes)
        if tomllib.loads(result) == desired:
            return result
    raise AssertionError("the second is the text itself")


def _merged(tables: dict[str, Any], changes: Changes) -> dict[str, Any]:
    return tables | {name: tables.get(name, {}) | values for name, values in changes.items()}


def _set(text: str, changes: Changes) -> str:
    document = tomlkit.parse(text)
    for section, values in changes.items():
        if section not in document:
            document[section] = tomlkit.table()
        table: Any = document[section]
        for key, value in values.items():
            if table.get(key) != value:
                table[key] = value
    return tomlkit.dumps(document)


def _with_examples(text: str, changes: Changes) -> str:
    """Remove the `#` from the examples of keys that are not set."""
    missing = {(section, key) for section, values in changes.items() for key in values}
    missing -= {(section, key) for section, values in _tables(text) for key in values}
    section, lines = "", []
    for line in text.splitlines(keepends=True):
        if header := _HEADER.match(line):
            section = header[1]
        example = _EXAMPLE.fullmatch(line)
        if example and (section, example["key"]) in missing and _is_toml(example["statement"]):
            missing.remove((section, example["key"]))
            lines.append(example["statement"])
        else:
            lines.append(line)
    return "".join(lines)


def _tables(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    tables = tomllib.loads(text).items()
    return ((name, table) for name, table in tables if isinstance(table, dict))


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True
