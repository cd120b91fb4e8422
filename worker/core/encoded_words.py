"""Decodes encoded words (RFC 2047) in an address.

The RFC forbids them in addresses. Programs that mail through SES write them there all the same,
since SES refuses a local part that is not ASCII
(https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_Destination.html).
"""

import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from encodings.aliases import aliases

from worker.core.limits import LONGEST_REPORTED

_WORD = re.compile(
    r"""
    =\?
    (?P<charset> [A-Za-z0-9_.:+-]{1,40}) (?:\*[A-Za-z0-9-]{0,40})?  # a language, as in RFC 2231
    \? (?P<encoding> [BbQq])
    \? (?P<text> [!->@-~]{0,400}+)  # ASCII without blanks and without a question mark
    \?=
    """,
    re.VERBOSE,
)
_GAP = re.compile(r"(?<=\?=)[ \t]{1,20}(?==\?)")
"""Blanks between two words, which belong to neither."""
_LONGEST_GAP = 20
_BROKEN_ESCAPE = re.compile(r"=(?![0-9A-Fa-f]{2})")
_CHARSETS = frozenset(aliases) | frozenset(aliases.values()) | {"koi8_u", "cp874"}
"""Those that Python has. Python looks for a module for any other name, and remembers each name."""


def has_words(text: str) -> bool:
    """Return whether the text may have encoded words; cheap."""
    return "=?" in text


def joined(text: str) -> str:
    """Take out the blanks between adjacent words."""
    return _GAP.sub("", text) if has_words(text) else text


def decoded(text: str) -> str | None:
    """Decode all encoded words in a text; None if it has none, or if any of them is broken."""
    if not has_words(text) or len(text) > LONGEST_REPORTED:
        return None
    try:
        plain = "".join(_pieces(text))
    except (LookupError, ValueError):
        return None
    return None if has_words(plain) else plain


def words_in(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where words are in a text of any length, and their text; none that is broken.

    Adjacent words of a charset are decoded together, also with blanks between them.
    """
    start, end, charset, written = 0, 0, "", b""
    for word in _WORD.finditer(text) if has_words(text) else ():
        name = word["charset"].lower().replace("-", "_")
        try:
            read = _bytes(word)
        except ValueError:
            continue
        between = text[end : word.start()] if word.start() - end <= _LONGEST_GAP else "-"
        if name == charset and not between.strip(" \t"):
            end, written = word.end(), written + read
            continue
        yield from _decoded(start, end, charset, written)
        start, end, charset, written = word.start(), word.end(), name, read
    yield from _decoded(start, end, charset, written)


def _decoded(start: int, end: int, charset: str, written: bytes) -> Iterator[tuple[int, int, str]]:
    if written and charset in _CHARSETS:
        with suppress(LookupError, ValueError):  # a codec of bytes, or a broken character
            yield start, end, written.decode(charset)


def _pieces(text: str) -> Iterator[str]:
    """Yield the texts between the words, and the words decoded.

    Adjacent words of a charset are decoded together: a character may begin in one, and end in the
    next.
    """
    end, charset, written = 0, "", b""
    for word in _WORD.finditer(text):
        name = word["charset"].lower().replace("-", "_")
        if written and (name != charset or word.start() != end):
            yield written.decode(charset)
            written = b""
        yield text[end : word.start()]
        if name not in _CHARSETS:
            raise LookupError(name)
        charset, written, end = name, written + _bytes(word), word.end()
    if written:
        yield written.decode(charset)
    yield text[end:]


def _bytes(word: re.Match[str]) -> bytes:
    text = word["text"]
    if word["encoding"] in "Bb":
        padded = text.rstrip("=")
        padded += "=" * (-len(padded) % 4)
        return binascii.a2b_base64(padded, strict_mode=True) if padded else b""
    if _BROKEN_ESCAPE.search(text):
        raise ValueError("a broken escape")
    return binascii.a2b_qp(text, header=True)
