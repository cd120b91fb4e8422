"""What makes two spellings of an address one person, and what is no address at all."""

import re
import unicodedata

import idna

from worker.core.limits import LONGEST_ADDRESS, LONGEST_DOMAIN
from worker.core.model import Address

_PLAIN = re.compile(r"([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+)@([A-Za-z0-9.-]*[A-Za-z0-9-])")
# (a domain that ends in a dot goes the general way)
# A quoted string; one that nobody closes ends where the text does, so that none of its quotes is
# tried again.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+(?P<closed>"?)')
_DOTS = re.compile("[\u3002\uff0e\uff61]")
"""What stands for a dot in the domains of other scripts (RFC 3490, section 3.1)."""
_COMMENT_ENDS = frozenset('>@"')
"""What no comment behind the brackets has; a `<` would have begun the last ones."""
_UNFIT = re.compile(r"[,;:()<>\ufffd]")
"""What only quotes, or the brackets of a domain literal, allow; U+FFFD was something else once."""


def parse_address(reported: str) -> Address | None:
    """Read an address as SES reports it, with or without display name and angle brackets.

    The key is NFC, trimmed, split at the last `@`, the local part in lower case, the domain in
    lower-case Punycode without its trailing dot. Returns None where there is no address to be
    had: no `@`, nothing on one side of it, spaces or control characters inside, several
    addresses, or more characters than an address can have.
    """
    if plain := _PLAIN.fullmatch(reported):  # nearly all; the general way gives the same
        local, domain = plain[1], plain[2].lower()
        key = local.lower()
    else:
        parts = _split(reported)
        # Normal forms and Punycode take more time the longer a text is, and not in proportion.
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
    """Local part and domain of the one address that is named; of several, nothing.

    What is meant stands in the last angle brackets, behind a display name perhaps, and before a
    comment in which there is no other address.
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
    """Return whether an address stands there, outside of quotes: in brackets, or in a list."""
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
    return bool(text) and not _has_blanks(text) and (literal or not _UNFIT.search(text))


def _is_local_part(text: str) -> bool:
    if text.isprintable() and (quoted := _QUOTED.fullmatch(text)) and quoted["closed"]:
        return True
    return bool(text) and not _has_blanks(text) and not _UNFIT.search(text)


def _has_blanks(text: str) -> bool:
    """Of what is printable only the blank itself is one."""
    return not text.isprintable() or " " in text
