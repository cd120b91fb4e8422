"""Normalises addresses, so that different spellings of a person's address are equal."""

import re
import unicodedata

import idna

from worker.core.encoded_words import decoded, joined
from worker.core.invisible import INVISIBLE, trimmed
from worker.core.limits import LONGEST_ADDRESS, LONGEST_DOMAIN
from worker.core.model import Address

_PLAIN = re.compile(r"([A-Za-z0-9.!#$%&'*+/?^_`{|}~-]+)@([A-Za-z0-9.-]*[A-Za-z0-9-])")
"""Nearly all addresses; not those with a trailing dot, which has to be removed, or with `=`, which
may belong to an encoded word."""
_TYPE = re.compile(
    r"(?:(?:rfc822|(?P<utf8>utf-8)|smtp)\s{0,3};|smtp:|(?P<url>mailto:))", re.IGNORECASE
)
"""The type before an address: in a delivery status notification (RFC 3464, RFC 6533), in Exchange,
and in URLs."""
_UTF8_ESCAPE = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")
"""A character of an address of type `utf-8` (RFC 6533, section 3)."""
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+(?P<closed>"?)')
"""A quoted string. An unclosed string matches to the end of the text, so that the search does not
start again at each quote in it."""
_DOTS = re.compile("[\u3002\uff0e\uff61]")
"""Characters that separate labels like a dot (RFC 3490, section 3.1)."""
_DOT_ATOM = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+")
"""A local part that needs no quotes."""
_COMMENT_ENDS = frozenset('>@"')
"""Characters that cannot be in a comment after the angle brackets."""
_INVALID = re.compile(r"[,;:()<>\ufffd]")
"""Characters that need quotes or the brackets of a domain literal; U+FFFD replaces lost text."""
_QUOTES = frozenset("\"'")
_NOT_IN_DOMAINS = frozenset("\"'?=")


def parse_address(reported: str) -> Address | None:
    """Parse an address as SES reports it, or as a person or program writes it.

    Around it there may be a display name, angle brackets, quotes, the address type of a delivery
    status notification, blanks and invisible characters. Encoded words in it are decoded.

    The key is the address in NFC, split at the last `@`: local part in lower case, domain in
    lower-case Punycode without a trailing dot.

    Returns None if there is no usable address: no `@`, nothing on one side of it, blanks, invisible
    or control characters inside, several addresses, or more characters than an address can have.
    """
    # Shortcuts; the code below gives the same result.
    plain = _PLAIN.fullmatch(reported) or _PLAIN.fullmatch(reported := _address_in(reported))
    if plain:
        local, domain = plain[1], plain[2].lower()
        key = local.lower()
    else:
        # Unicode normalisation and Punycode take more than linear time.
        if len(reported) > LONGEST_ADDRESS:
            return None
        local, _, domain = unicodedata.normalize("NFC", reported).rpartition("@")
        if not _is_local_part(local) or _has_invisible(domain):
            return None
        key = _key(local)
        domain = _normal_domain(domain)
        if not _is_domain(domain):
            return None
    if domain.startswith(".") or domain.endswith(".") or ".." in domain:
        return None
    if len(local) + 1 + len(domain) > LONGEST_ADDRESS:
        return None
    return Address(key=f"{key}@{domain}", mailed=f"{local}@{domain}")


def decoded_spelling(address: str) -> str:
    """Return an address with its local part decoded, in the case in which it was written."""
    local, _, domain = address.rpartition("@")
    return f"{_decoded(_unquoted(local))}@{domain}"


def _address_in(reported: str) -> str:
    """Take off what is around an address; return nothing if there are several.

    The address is in the last angle brackets, if there are any. A display name may come before
    them, and a comment after them, if neither contains another address.
    """
    text = trimmed(reported)
    before, opened, behind = text.rpartition("<")
    inside, closed, comment = behind.partition(">")
    if opened and closed and "@" in inside and not _COMMENT_ENDS.intersection(comment):
        if _names_another(before):
            return ""
        text = inside
    text = joined(_without_type(trimmed(text.strip("<>"))))
    if text.startswith("=?") and text.endswith("?="):  # the whole address is encoded
        text = trimmed(decoded(text) or text)
    return text


def _without_type(text: str) -> str:
    """Take off the type and the quotes around an address."""
    if found := _TYPE.match(text):
        text = trimmed(text[found.end() :]).strip("<>")
        if found["utf8"]:
            text = _UTF8_ESCAPE.sub(_unescaped, text)
        elif found["url"]:
            text = text.partition("?")[0]
            if "%" in text:  # it is encoded once more
                return ""
    if len(text) > 1 and text[0] in _QUOTES and text[-1] == text[0]:
        return trimmed(text[1:-1])
    return text


def _unescaped(escape: re.Match[str]) -> str:
    number = int(escape[1], 16)
    return chr(number) if number <= 0x10FFFF else "\ufffd"


def _key(local: str) -> str:
    """Return the local part that all spellings of a person share."""
    local = _unquoted(local)
    plain = _decoded(local)
    key = unicodedata.normalize("NFC", plain.lower())
    # A broken word of base64 could be another's whole word in lower case.
    return key if plain != local or _decoded(key) == key else local


def _unquoted(local: str) -> str:
    """Take off quotes that a local part does not need (RFC 5321, section 4.1.2)."""
    if local.startswith('"') and _DOT_ATOM.fullmatch(local, 1, len(local) - 1):
        return local[1:-1]
    return local


def _decoded(local: str) -> str:
    """Decode the encoded words in a local part.

    A word that cannot be decoded stays as it is written, and so does a word whose text is no local
    part: what it hides may be an address at another domain.
    """
    found = decoded(local)
    if found is None:
        return local
    plain = unicodedata.normalize("NFC", trimmed(found)) if len(found) < LONGEST_ADDRESS else ""
    is_usable = "@" not in plain and '"' not in plain and _is_local_part(plain)
    return plain if is_usable else local


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
    return (
        bool(text)
        and not _has_invisible(text)
        and not _NOT_IN_DOMAINS.intersection(text)
        and (literal or not _INVALID.search(text))
    )


def _is_local_part(text: str) -> bool:
    is_shown = text.isprintable() and (
        text.isascii() or INVISIBLE.isdisjoint(text.replace(" ", ""))
    )
    if is_shown and (quoted := _QUOTED.fullmatch(text)) and quoted["closed"]:
        return True
    return bool(text) and not _has_invisible(text) and not _INVALID.search(text)


def _has_invisible(text: str) -> bool:
    """Return whether there are blanks, invisible or control characters in a text."""
    return not (text.isprintable() and INVISIBLE.isdisjoint(text))
