"""How deep and how wide a text's JSON is, found before anything is made of it. Pure.

Readers of JSON call themselves for each level and give up somewhere, each version of Python and of
msgspec elsewhere. So that a body means the same on all of them, the limit is our own.
"""

from itertools import accumulate

from worker.core.limits import DEEPEST_JSON

_BRACKETS, _COMMA = b"{[]}", b","
_STEP = [(byte in b"{[") - (byte in b"]}") for byte in range(256)]
"""By byte: what it adds to the depth."""
_STRIDE = 10_000
"""Brackets that are looked at at once: most texts that are too deep are so from the beginning."""


def is_nested_too_deep(text: str) -> bool:
    """Return whether objects and arrays lie in one another deeper than `DEEPEST_JSON`.

    Of a text that is no JSON it says something, too, and in time that grows with its length alone.
    """
    # One pass of `count` is dearer than `replace`, which leaps from bracket to bracket.
    if text.replace("{", "[").count("[") <= DEEPEST_JSON:  # as nearly all have
        return False
    marks = _marks(text, _BRACKETS)
    depth = 0
    for start in range(0, len(marks), _STRIDE):
        steps = [_STEP[mark] for mark in marks[start : start + _STRIDE]]
        if max(accumulate(steps, initial=depth)) > DEEPEST_JSON:
            return True
        depth += sum(steps)
    return False


def count_entries(array: str) -> int:
    """Count the entries of a JSON array that has at least one, and make none of them."""
    marks = _marks(array, _BRACKETS + _COMMA)
    if marks.count(b"[") + marks.count(b"{") == 1:  # its own
        return marks.count(_COMMA) + 1
    depths = accumulate(map(_STEP.__getitem__, marks))
    commas = (mark in _COMMA and depth == 1 for mark, depth in zip(marks, depths, strict=True))
    return sum(commas) + 1


def _marks(text: str, wanted: bytes) -> bytes:
    """All wanted characters that do not stand in strings."""
    if "\\" in text:  # first pairs of backslashes, then quotes that one stands before
        text = text.replace("\\\\", "").replace('\\"', "")
    observability = "".join(text.split('"')[::2]).encode("ascii", "ignore")
    return observability.translate(None, bytes(byte for byte in range(256) if byte not in wanted))
