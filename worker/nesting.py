"""How deep a text's JSON is nested, found before anything reads it. Pure.

Readers of JSON call themselves for each level and give up somewhere, each version of Python and of
msgspec elsewhere. So that a body means the same on all of them, the limit is our own.
"""

from itertools import accumulate

from worker.limits import DEEPEST_JSON

_BRACKETS = b"{[]}"
_ALL_ELSE = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEP = [(byte in b"{[") - (byte in b"]}") for byte in range(256)]
"""By byte: what it adds to the depth."""


def is_nested_too_deep(text: str) -> bool:
    """Tell whether objects and arrays lie in one another deeper than `DEEPEST_JSON`.

    Of a text that is no JSON it says something, too, and in time that grows with its length alone.
    """
    # One pass of `count` is dearer than `replace`, which leaps from bracket to bracket.
    if text.replace("{", "[").count("[") <= DEEPEST_JSON:  # as nearly all have
        return False
    depths = accumulate(map(_STEP.__getitem__, _brackets(text)))
    return any(depth > DEEPEST_JSON for depth in depths)


def _brackets(text: str) -> bytes:
    """All brackets that do not stand in strings."""
    if "\\" in text:  # first pairs of backslashes, then quotes that one stands before
        text = text.replace("\\\\", "").replace('\\"', "")
    outside = "".join(text.split('"')[::2])
    return outside.encode("ascii", "ignore").translate(None, _ALL_ELSE)
