"""Masks addresses and sanitizes untrusted text for display. Pure."""

import re

from worker.core.limits import LONGEST_SHOWN, MOST_ADDRESSES_SHOWN

# What stands for the `@`: itself, with spaces on either side where a domain follows, or the ways
# in which URLs, quoted-printable and HTML write it.
_SIGN = re.compile(
    r"""
      \s{0,3}@+(?=\S)
    | \s{0,3}@\s{1,3}(?=[\w-]{1,63}\.\w)
    | (?:%40|=40|[\uff20\ufe6b]|&\#(?:0{0,5}64|x0{0,5}40);|&commat;)(?=[\w-]{1,63}\.\w)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ENDS = frozenset(filter(str.isspace, map(chr, range(0x3001)))) | frozenset('<>"')
"""What a local part does not go on behind: spaces, angles, and a quote that opens. Comma, colon and
brackets may not stand in one unquoted either, but in what people type they do: `jane,doe@…`."""
_BEFORE_A_QUOTE = _ENDS | frozenset("=:,;([{\\")
"""Behind these a quote opens, and is none that was typed into a local part."""
_FEW = 16
"""Different characters, up to which it takes less time to look for each than to look at all."""
_DOMAIN = re.compile(r"[\w.-]*+")
_BETWEEN = frozenset(",;:|/()[]{}")
"""One of these may stand between a domain and the next address; it reveals nothing of either."""


def mask_addresses(text: str, most: int | None = None) -> str:
    """Hide who is meant and leave where they are: `***@example.com`.

    Takes time in proportion to the text, whatever it is. Behind `most` addresses the text is cut.
    """
    if not _may_have_addresses(text):
        return text
    shown: list[str] = []
    end = 0
    for number, sign in enumerate(_SIGN.finditer(text)):
        start = _local_part(text, end, sign.start())
        if number == most:
            return "".join([*shown, text[end:start], "…"])
        if start == end and shown:  # of `a@b@c` only `@c` is a domain
            shown[-1] = sign[0]
        elif start < sign.start():
            shown += [text[end:start], "***", sign[0]]
        else:
            continue
        end = sign.end()
    return "".join([*shown, text[end:]]) if shown else text


def _may_have_addresses(text: str) -> bool:
    return "@" in text or "40" in text or "&" in text or not text.isascii()


def _local_part(text: str, earliest: int, end: int) -> int:
    """Find where the local part that ends at `end` begins; quoted, or before a comment, too.

    Rather too early than too late: whatever could be part of an address is hidden with it.
    """
    if earliest:  # behind the `@` of the address before, of which the domain is shown
        domain = _DOMAIN.match(text, earliest, end)
        behind = domain.end() if domain else earliest
        if behind == end:
            return earliest  # which is none: `a@b@c`
        earliest = behind + 1 if text[behind] in _BETWEEN else behind
    start = end
    before = text[end - 1] if end > earliest else ""
    if before == '"':
        opening = text.rfind('"', earliest, end - 1)
        while opening > earliest and text[opening - 1] == "\\":
            opening = text.rfind('"', earliest, opening)
        if opening < 0:  # in a text within a text the outer quotes have a backslash, too
            opening = text.find('"', earliest, end)
        start = opening
    elif before == ")":
        opening = text.rfind("(", earliest, end)
        start = opening if opening >= 0 else end
    while start > earliest:
        if text[start - 1] in _ENDS and not _is_within(text, earliest, start - 1):
            break
        start -= 1
    # Behind a character that no local part has, hide that one at least.
    return start if start < end else max(earliest, end - 1)


def _is_within(text: str, earliest: int, at: int) -> bool:
    """Return whether a quote is one in the middle of a word."""
    return text[at] == '"' and at > earliest and text[at - 1] not in _BEFORE_A_QUOTE


def printable(text: str) -> str:
    """Spell out line breaks, control and bidirectional characters, so that they do nothing."""
    if text.isprintable():
        return text
    hidden = [character for character in set(text) if not character.isprintable()]
    if len(hidden) > _FEW:
        return "".join(c if c.isprintable() else _spelled(c) for c in text)
    for character in hidden:  # however long the text is
        text = text.replace(character, _spelled(character))
    return text


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()


def cut(text: str, longest: int) -> str:
    """So many characters of it, and a mark where there were more."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def is_sanitary(text: str) -> bool:
    """Return, at little cost, whether `harmless` would change nothing; in doubt, False.

    Of several texts, joined by spaces, it holds for each.
    """
    return len(text) <= LONGEST_SHOWN and text.isprintable() and not _may_have_addresses(text)


def sanitized(text: str) -> str:
    """Short, printable, and without a whole address."""
    if is_sanitary(text):
        return text  # as nearly all are
    return printable(mask_addresses(cut(text, LONGEST_SHOWN), MOST_ADDRESSES_SHOWN))
