"""Whether a diagnostic says `spam` in its own words, not in an address that it echoes. Pure."""

import re

from worker.core.limits import LONGEST_TEXT, MOST_ADDRESSES_READ
from worker.core.masking import mask_addresses
from worker.core.model import Address

_WORD = "spam"
_DISGUISED = re.compile(r"\s{0,2}(?:\(at\)|\[at\]|\\u0040)\s{0,2}")
_IN_LOCAL_PARTS = tuple("abcdefghijklmnopqrstuvwxyz0123456789.!#$%&'*+/=?^_`{|}~-@\\\"")
"""After these an address is the end of another address."""
_GOES_ON = re.compile(r"[\w-]|\.\w")
"""A longer domain."""
_DOMAINS = re.compile(
    r"""
    (?:
        @+ (?: \s{1,3} (?=[\w-]{1,63}\.\w) )?
      | (?: %40 | =40 | [\uff20\ufe6b] | &\#(?:0{0,5}64|x0{0,5}40); | &commat; )
    )
    [\w.-]*+
    """,
    re.VERBOSE,
)
"""The sign of an address whose local part is masked, and its domain."""


def says_spam(diagnostic: str | None, recipient: Address | None) -> bool:
    """Return whether `spam` stands outside addresses; also outside the recipient's own two parts.

    Servers write `<jane>: unknown user` and `relaying to example.com denied`, too. Where a
    diagnostic is longer than what is stored of it, the rest counts as it stands.
    """
    lowered = diagnostic.lower() if diagnostic else ""
    if _WORD not in lowered:
        return False  # nearly all
    if _WORD in lowered[LONGEST_TEXT:]:
        return True
    text = lowered[:LONGEST_TEXT]
    if recipient:
        for own in {recipient.mailed.lower(), recipient.key}:
            text = _without_address(text, own)
        if _WORD in recipient.key:
            text = _without_own(text, recipient)
    return _WORD in _DOMAINS.sub(
        " ", mask_addresses(_DISGUISED.sub("@", text), MOST_ADDRESSES_READ)
    )


def _without_address(text: str, address: str) -> str:
    """Take out the recipient's address where it stands by itself: `spam:jane@example.com`.

    Masking hides what touches an address, in doubt: it may belong to it.
    """
    first, *others = text.split(address)
    shown, before = [first], first
    for after in others:
        is_part = before.endswith(_IN_LOCAL_PARTS) or _GOES_ON.match(after)
        shown += [address if is_part else " ", after]
        before = after or address
    return "".join(shown)


def _without_own(text: str, recipient: Address) -> str:
    """Take out the recipient's local part, unless it is the word itself, and domain."""
    mailed = recipient.mailed.lower()
    for own in (mailed.rpartition("@")[0], recipient.key.rpartition("@")[0], recipient.domain):
        if _WORD in own and own != _WORD:
            text = text.replace(own, " ")
    return text
