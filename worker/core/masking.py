"""Masks addresses and sanitizes untrusted text for display. Pure."""

import re
from collections.abc import Iterator

from worker.core.limits import LONGEST_DOMAIN, LONGEST_SHOWN, MOST_ADDRESSES_SHOWN

MASK = "***"
"""What is shown in place of a local part."""
# The sign between local part and domain: `@`, with spaces around it if a domain follows; as URLs,
# JSON, quoted-printable and HTML encode it; as people spell it. Dots may be spelled likewise.
_SIGN = re.compile(
    r"""
      \s{0,3}@+(?=\S)
    | (?:
        \s{0,3}(?:@\s{1,3}|[(\[{<]\s{0,2}(?:[Aa][Tt]|@)\s{0,2}[)\]}>]\s{0,3})
      | %(?:25){0,3}40 | =40 | [\uff20\ufe6b]
      | \\{1,4}(?:[uU]\{?0{0,6}|[xX])40\}?
      | &(?:[aA][mM][pP];)?(?:\#(?:0{0,5}64|[xX]0{0,5}40)|[cC][oO][mM][mM][aA][tT]);
      )
      (?=[\w-]{1,63}\s{0,3}(?:[.\u3002\uff0e]|[(\[{<]\s{0,2}(?:[Dd][Oo][Tt]|\.)|[Dd][Oo][Tt]\b)\W{0,4}\w)
    """,
    re.VERBOSE,
)
_SPELLED = re.compile(r"[(\[{<]\s{0,2}[Aa][Tt]\s{0,2}[)\]}>]")
_ENDS = frozenset(filter(str.isspace, map(chr, range(0x3001)))) | frozenset('<>"')
"""Characters before which a local part cannot continue: spaces, angle brackets, an opening quote.
Commas, colons and brackets need quotes too, but people type them without: `jane,doe@…`."""
_BEFORE_A_QUOTE = _ENDS | frozenset("=:,;([{\\")
"""Characters before a quote that opens a quoted text; any other quote is inside a local part."""
_FEW = 16
"""Up to so many different characters it is faster to replace each than to test every character."""
_DOMAIN = re.compile(r"[\w.-]*+")
_BETWEEN = frozenset(",;:|/()[]{}")
"""Separators between a domain and the next address; they reveal nothing about either."""


def mask_addresses(text: str, most: int | None = None) -> str:
    """Replace the local part of each address: `***@example.com`.

    The time is linear in the length of any text. After `most` addresses the text is cut off.
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
            shown += [text[end:start], MASK, sign[0]]
        else:
            continue
        end = sign.end()
    return "".join([*shown, text[end:]]) if shown else text


def addresses_in(text: str) -> Iterator[tuple[int, int, int]]:
    """Yield where each address in a text begins, where its sign does, and where its domain does."""
    end = 0
    last: tuple[int, int, int] | None = None
    for sign in _SIGN.finditer(text) if _may_have_addresses(text) else ():
        start = _local_part(text, end, sign.start())
        if start == end and last:  # of `a@b@c` only `@c` is a domain
            last = last[0], sign.start(), sign.end()
        elif start < sign.start():
            if last:
                yield last
            last = start, sign.start(), sign.end()
        else:
            continue
        end = sign.end()
    if last:
        yield last


def domain_at(text: str, start: int) -> str:
    """Return the domain that begins there."""
    found = _DOMAIN.match(text, start, start + LONGEST_DOMAIN)
    return found[0] if found else ""


def _may_have_addresses(text: str) -> bool:
    if "@" in text or "&" in text or not text.isascii():
        return True
    if "40" in text and ("%" in text or "=" in text or "\\" in text):
        return True
    # The lines of the log are JSON, which begins with a brace.
    if "(" in text or "[" in text or "<" in text or text.find("{", 1) > 0:
        return _SPELLED.search(text) is not None
    return False


def _local_part(text: str, earliest: int, end: int) -> int:
    """Find the start of the local part that ends at `end`; it may be quoted or have a comment.

    In doubt the start is too early rather than too late, so that all of an address is hidden.
    """
    if earliest:  # the position after the `@` of the previous address, whose domain is shown
        domain = _DOMAIN.match(text, earliest, end)
        after = domain.end() if domain else earliest
        if after == end:
            return earliest  # no local part: `a@b@c`
        earliest = after + 1 if text[after] in _BETWEEN else after
    start = end
    before = text[end - 1] if end > earliest else ""
    if before == '"':
        opening = text.rfind('"', earliest, end - 1)
        while opening > earliest and text[opening - 1] == "\\":
            opening = text.rfind('"', earliest, opening)
        if opening < 0:  # in a quoted text the outer quotes have a backslash as well
            opening = text.find('"', earliest, end)
        start = opening
    elif before == ")":
        opening = text.rfind("(", earliest, end)
        start = opening if opening >= 0 else end
    while start > earliest:
        if text[start - 1] in _ENDS and not _is_within(text, earliest, start - 1):
            break
        start -= 1
    # After a character that ends local parts, hide at least that character.
    return start if start < end else max(earliest, end - 1)


def _is_within(text: str, earliest: int, at: int) -> bool:
    """Return whether the character is a quote in the middle of a word."""
    return text[at] == '"' and at > earliest and text[at - 1] not in _BEFORE_A_QUOTE


def printable(text: str) -> str:
    """Escape line breaks, control and bidirectional characters, so that they have no effect."""
    if text.isprintable():
        return text
    hidden = [character for character in set(text) if not character.isprintable()]
    if len(hidden) > _FEW:
        return "".join(c if c.isprintable() else _spelled(c) for c in text)
    for character in hidden:
        text = text.replace(character, _spelled(character))
    return text


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()


def cut(text: str, longest: int) -> str:
    """Cut the text to `longest` characters; `…` shows that there were more."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def is_sanitary(text: str) -> bool:
    """Return, at little cost, whether `sanitized` would change nothing; in doubt, False."""
    return len(text) <= LONGEST_SHOWN and text.isprintable() and not _may_have_addresses(text)


def is_sanitary_json(text: str) -> bool:
    """Return the same for all texts in this JSON; in doubt, False.

    In JSON a backslash comes before all ASCII characters that are not printable, except DEL.
    """
    return (
        len(text) <= LONGEST_SHOWN
        and "\\" not in text
        and "\x7f" not in text
        and not _may_have_addresses(text)
    )


def sanitized(text: str) -> str:
    """Make a text safe to show: short, printable, and without a complete address."""
    if is_sanitary(text):
        return text  # nearly all texts
    return printable(mask_addresses(cut(text, LONGEST_SHOWN), MOST_ADDRESSES_SHOWN))
