"""Normalises addresses, so that different spellings of a person's address are equal."""

import re
import unicodedata

import idna

from worker.core.limits import LONGEST_ADDRESS, LONGEST_DOMAIN
from worker.core.model import Address

_PLAIN = re.compile(r"([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+)@([A-Za-z0-9.-]*[A-Za-z0-9-])")
"""Nearly all addresses; not those with a trailing dot, which has to be removed."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+(?P<closed>"?)')
"""A quoted string. An unclosed string matches to the end of the text, so that the search does not
start again at each quote in it."""
_DOTS = re.compile("[\u3002\uff0e\uff61]")
"""Characters that separate labels like a dot (RFC 3490, section 3.1)."""
_COMMENT_ENDS = frozenset('>@"')
"""Characters that cannot be in a comment after the angle brackets."""
_INVALID = re.compile(r"[,;:()<>\ufffd]")
"""Characters that need quotes or the brackets of a domain literal; U+FFFD replaces lost text."""


def parse_address(reported: str) -> Address | None:
    """Parse an address as SES reports it, with or without display name and angle brackets.

    The key is the address in NFC, trimmed and split at the last `@`: local part in lower case,
    domain in lower-case Punycode without a trailing dot.

    Returns None if there is no usable address: no `@`, nothing on one side of it, spaces or control
    characters inside, several addresses, or more characters than an address can have.
    """
    if plain := _PLAIN.fullmatch(reported):  # a shortcut; the code below gives the same result
        local, domain = plain[1], plain[2].lower()
        key = local.lower()
    else:
        parts = _split(reported)
        # Unicode normalisation and Punycode take more than linear time.
        if sum(map(len, parts)) >= LONGEST_ADDRESS:
            return None
        local, domain = (unicodedata.normalize("NFC", part) for part in parts)
        if not _is_local_part(local):
            return None
        key = unicodedata.normalize("NFC", local.lower())
        domain = _normal_domain(domain)
        if not _is_domain(domain):
            return None
    if domain.startswith(".") or ".." in domain:
        return None
    if len(local) + 1 + len(domain) > LONGEST_ADDRESS:
        return None
    return Address(key=f"{key}@{domain}", mailed=f"{local}@{domain}")


def _split(reported: str) -> tuple[str, str]:
    """Split into local part and domain; both are empty if there are several addresses.

    The address is in the last angle brackets, if there are any. A display name may come before
    them, and a comment after them, if neither contains another address.
    """
    text = reported.strip()
    before, opened, behind = text.rpartition("<")
    inside, closed, comment = behind.partition(">")
    if opened and closed and "@" in inside and not _COMMENT_ENDS.intersection(comment):
        if _names_another(before):
            return "", ""
        text = inside
    local, _, domain = text.strip("<>").strip().rpartition("@")
    return local, domain


def _names_another(text: str) -> bool:
    """Return whether the text has an address outside of quotes: in brackets, or in a list."""
    pieces = _QUOTED.sub(_unclosed, text).split("<")
    if any("@" in piece.partition(">")[0] for piece in pieces[1:]):
        return True
    return any("@" in plain and "," in plain for piece in pieces for plain in piece.split(">"))


def _unclosed(quoted: re.Match[str]) -> str:
    return "" if quoted["closed"] else quoted[0]


def _normal_domain(text: str) -> str:
    text = _DOTS.sub(".", text).removesuffix(".").lower()
    if text.isascii() or len(text) > LONGEST_DOMAIN:
        return text
    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return text


def _is_domain(text: str) -> bool:
    literal = text.startswith("[") and text.endswith("]")
    return bool(text) and not _has_blanks(text) and (literal or not _INVALID.search(text))


def _is_local_part(text: str) -> bool:
    if text.isprintable() and (quoted := _QUOTED.fullmatch(text)) and quoted["closed"]:
        return True
    return bool(text) and not _has_blanks(text) and not _INVALID.search(text)


def _has_blanks(text: str) -> bool:
    # The space is the only blank that is printable.
    return not text.isprintable() or " " in text
