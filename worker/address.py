"""What makes two spellings of an address one person, and what is no address at all."""

import re
import unicodedata

import idna

from worker.model import Address

LONGEST = 320
"""64 for the local part, 255 for the domain, 1 for the `@` (RFC 5321, section 4.5.3.1)."""

_PLAIN = re.compile(r"([A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+)@([A-Za-z0-9.-]*[A-Za-z0-9-])")
# (a domain that ends in a dot goes the general way)
# A display name, then the address in angle brackets, then at most a comment.
_BRACKETED = re.compile(r"<([^<>@]*(?:@[^<>@]*)+)>[^<>@\"]*\Z")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_SEVERAL = re.compile(r"<[^<>]*@|@[^<>]*,|,[^<>]*@")
"""Outside of quotes and before the last bracket: another address, so that nobody is meant."""
_DOTS = re.compile("[\u3002\uff0e\uff61]")
"""What stands for a dot in the domains of other scripts (RFC 3490, section 3.1)."""
_UNFIT = re.compile(r"[,;:()<>\ufffd]")
"""What only quotes, or the brackets of a domain literal, allow; U+FFFD was something else once."""


def parse_address(reported: str) -> Address | None:
    """Read an address as SES reports it, with or without display name and angle brackets.

    The key is NFC, trimmed, split at the last `@`, the local part in lower case, the domain in
    lower-case Punycode without its trailing dot. Returns None where there is no address to be
    had: no `@`, nothing on one side of it, blanks or control characters inside, several
    addresses, or more characters than an address can have.
    """
    if plain := _PLAIN.fullmatch(reported):  # nearly all; the general way gives the same
        local, domain = plain[1], plain[2].lower()
        key = local.lower()
    else:
        local, domain = _split(unicodedata.normalize("NFC", reported).strip())
        domain = _normal_domain(domain)
        key = unicodedata.normalize("NFC", local.lower())
        if not _is_local_part(local) or not _is_domain(domain):
            return None
    if domain.startswith(".") or ".." in domain:
        return None
    if len(local) + 1 + len(domain) > LONGEST:
        return None
    return Address(key=f"{key}@{domain}", mailed=f"{local}@{domain}")


def _split(text: str) -> tuple[str, str]:
    if bracketed := _BRACKETED.search(text):
        if _SEVERAL.search(_QUOTED.sub("", text[: bracketed.start()])):
            return "", ""
        text = bracketed[1]
    local, _, domain = text.strip("<>").strip().rpartition("@")
    return local, domain


def _normal_domain(text: str) -> str:
    text = _DOTS.sub(".", text).removesuffix(".").lower()
    if text.isascii():
        return text
    try:
        return idna.encode(text, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return text


def _is_domain(text: str) -> bool:
    literal = text.startswith("[") and text.endswith("]")
    return bool(text) and not _has_blanks(text) and (literal or not _UNFIT.search(text))


def _is_local_part(text: str) -> bool:
    if text.isprintable() and _QUOTED.fullmatch(text):
        return True
    return bool(text) and not _has_blanks(text) and not _UNFIT.search(text)


def _has_blanks(text: str) -> bool:
    return not text.isprintable() or any(character.isspace() for character in text)
