"""Measures how deep and how wide JSON is, before it is parsed. Pure.

JSON parsers recurse for each level and have a depth limit, which differs between versions of Python
and of msgspec. With a limit of our own a body is decoded the same on all of them.
"""

from itertools import accumulate, compress

from worker.core.limits import DEEPEST_JSON

_BRACKETS, _COMMA = b"{[]}", b","
_STEP = [(byte in b"{[") - (byte in b"]}") for byte in range(256)]
"""The change of depth by each byte."""
_IS_COMMA = bytes(byte in _COMMA for byte in range(256))
_STRIDE = 10_000
"""Brackets counted per step. Most texts that are too deep are too deep from the beginning."""


def is_nested_too_deep(text: str, most: int = DEEPEST_JSON) -> bool:
    """Return whether objects and arrays are nested deeper than `most`.

    The text may also be invalid JSON. The time is linear in its length.
    """
    if not _has_more_brackets(text, most):  # nearly every text
        return False
    marks = _marks(text, _BRACKETS)
    depth = 0
    for start in range(0, len(marks), _STRIDE):
        steps = [_STEP[mark] for mark in marks[start : start + _STRIDE]]
        if max(accumulate(steps, initial=depth)) > most:
            return True
        depth += sum(steps)
    return False


def _has_more_brackets(text: str, most: int) -> bool:
    """Return whether more than `most` brackets are opened, in strings or outside.

    `replace` of one character by another jumps from match to match; `count` looks at each character
    and takes ten times as long.
    """
    return "[" in text.replace("{", "[").replace("[", "{", most)


def count_entries(array: str) -> int:
    """Count the entries of a JSON array without parsing them; the array is not empty."""
    marks = _marks(array, _BRACKETS + _COMMA)
    if marks.count(b"[") + marks.count(b"{") == 1:  # only the array's own bracket
        return marks.count(_COMMA) + 1
    depths = accumulate(map(_STEP.__getitem__, marks))
    return list(compress(depths, marks.translate(_IS_COMMA))).count(1) + 1


def _marks(text: str, marks: bytes) -> bytes:
    """Return only the given characters, and only where they are not inside a JSON string."""
    if "\\" in text:  # remove escaped backslashes first, then escaped quotes
        text = text.replace("\\\\", "").replace('\\"', "")
    outside_strings = "".join(text.split('"')[::2]).encode("ascii", "ignore")
    return outside_strings.translate(None, bytes(byte for byte in range(256) if byte not in marks))
