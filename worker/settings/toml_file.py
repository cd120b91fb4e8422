"""Reads TOML, and adds to a parser's error what most likely has to be changed.

No hint repeats a value: it may be a secret.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from worker.core.errors import Misconfigured
from worker.settings.text_file import read_text

_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_DUPLICATE_SECTION = re.compile(r"^Cannot declare \((.*)\) twice(.*)$")
_DUPLICATE_KEY = "Cannot overwrite a value"
"""Beginnings of tomllib's errors."""
_KEY = re.compile(r"""[\w.-]+|"[^"]*"|'[^']*'""")
_TYPOGRAPHIC = re.compile("[\u2018-\u201f\u00ab\u00bb]")
_INVISIBLE = re.compile("[\u00a0\u2000-\u200f\u2028-\u202f\u2060\u3000\ufeff]")
_YAML = re.compile(r"\s*([\w.-]+)\s*:(\s.*|$)")
_OTHER_COMMENT = re.compile(r"\s*(;|//|--)")
_WITH_UNIT = re.compile(r"([+-]?\d[\d.]*)\s*[a-z%]+", re.IGNORECASE)
_WORDS = {
    "true": "true", "yes": "true", "on": "true", "false": "false", "no": "false", "off": "false",
}  # fmt: skip
"""What people write, and TOML's words."""

_QUOTED = "the quotes end where the value ends, and a comment begins with #"
_BY_FIRST_LETTER = {
    "[": 'each text of a list is in quotes, with commas between: {key} = ["…", "…"]',
    "{": 'each text of a table is in quotes: {key} = {"…" = "…"}',
    '"': _QUOTED,
    "'": _QUOTED,
}
"""Hints by the first letter of a value."""


def read_toml(file: Path) -> dict[str, Any]:
    """Read a file's tables.

    Raises:
        FileNotFoundError: it does not exist.
        Misconfigured: it is not TOML.

    """
    return parse_toml(read_text(file, "settings"), file)


def parse_toml(text: str, file: Path) -> dict[str, Any]:
    """Parse the text of a file.

    Raises:
        Misconfigured: it is not TOML.

    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{file} is not TOML: {_explained(str(error), text)}") from None


def _explained(error: str, text: str) -> str:
    if found := _DUPLICATE_SECTION.search(error):
        return _duplicate_section(text, found)
    position = _LINE.search(error)
    if position is None:
        return error
    number = int(position[1])
    lines = text.splitlines()
    line = lines[number - 1] if number <= len(lines) else ""
    hint = _duplicate_key(lines, number) if error.startswith(_DUPLICATE_KEY) else _hint(line)
    return f"{error}; {hint}" if hint else error


def _duplicate_section(text: str, found: re.Match[str]) -> str:
    name = ".".join(re.findall(r"'([^']+)'", found[1]))
    lines = (number for number, line in enumerate(text.splitlines(), 1) if _header(line) == name)
    first = next(lines, None)
    where = f" at line {first}" if first else " that is there already"
    return f"[{name}] is in it twice; move its keys below the [{name}]{where}{found[2]}"


def _header(line: str) -> str:
    """The name of the section that a line begins; empty: none."""
    bare = line.partition("#")[0].replace(" ", "").strip()
    return bare[1:-1] if bare.startswith("[") and bare.endswith("]") else ""


def _duplicate_key(lines: list[str], number: int) -> str:
    key, _ = _statement(lines[number - 1])
    if not key:
        return ""
    for earlier in range(number - 2, -1, -1):
        if _header(lines[earlier]):
            break
        if _statement(lines[earlier])[0] == key:
            return f"{key} is there already, at line {earlier + 1}: keep one of them"
    return f"{key} is there already: keep one of them"


def _statement(line: str) -> tuple[str, str]:
    """Return the key and the value of a line; two empty texts: it has none."""
    key, equals, value = line.partition("=")
    is_statement = equals and _KEY.fullmatch(key.strip())
    return (key.strip(), value.strip()) if is_statement else ("", "")


def _hint(line: str) -> str:
    """Return what to change in a line that is not TOML; empty: unknown."""
    if found := _TYPOGRAPHIC.search(line):
        return f'{found[0]} is a typographic quote: write " instead'
    if found := _INVISIBLE.search(line):
        return f"it has an invisible character (U+{ord(found[0]):04X}): delete it"
    if _OTHER_COMMENT.match(line):
        return "a comment begins with #"
    if found := _YAML.fullmatch(line):
        return f"write = after a key, and not a colon: {found[1]} = …"
    key, value = _statement(line)
    return _hint_for_value(key, value) if key else ""


def _hint_for_value(key: str, value: str) -> str:
    bare = value.partition("#")[0].strip()
    if not bare:
        return f'{key} has no value: an empty text is {key} = ""'
    if word := _WORDS.get(bare.lower()):
        return f"write {word}, without quotes and in small letters: {key} = {word}"
    if found := _WITH_UNIT.fullmatch(bare):
        return f"a number has no unit: {key} = {found[1]}"
    hint = _BY_FIRST_LETTER.get(value[0], 'a text is in quotes: {key} = "…"')
    if value[0] == '"' and "\\" in value:
        hint = "in such quotes a backslash is doubled; or use the others: {key} = '…'"
    return hint.replace("{key}", key)
