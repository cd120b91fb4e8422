"""Characters that are shown as nothing. They come with texts that people copy."""

_RANGES = (
    (0x180B, 0x180F), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F),
    (0xE0000, 0xE01EF),
)  # fmt: skip

INVISIBLE = frozenset(
    "\u034f\u061c\u115f\u1160\u17b4\u17b5\u2800\u3164\ufeff\uffa0\xad"
).union(
    filter(str.isspace, map(chr, range(0x3001))),
    *(map(chr, range(first, last + 1)) for first, last in _RANGES),
)  # fmt: skip
"""Blanks of all kinds, zero width, soft hyphen, marks of direction, fillers, variation selectors
(Unicode's properties White_Space and Default_Ignorable_Code_Point)."""


def trimmed(text: str) -> str:
    """Take off the blanks and invisible characters around a text."""
    start, end = 0, len(text)
    while start < end and text[start] in INVISIBLE:
        start += 1
    while start < end and text[end - 1] in INVISIBLE:
        end -= 1
    return text[start:end]
