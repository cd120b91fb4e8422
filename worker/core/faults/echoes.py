"""Takes addresses, hosts and links out of a reply, and writes the rest in one way. Pure."""

from worker.core.limits import MOST_ADDRESSES_READ
from worker.core.masking import mask_addresses

_AROUND = "<>()[]{}'\".,;:!?"
_TO_BLANKS = str.maketrans({
    character: " " for character in map(chr, range(128)) if not character.isalnum()
})  # fmt: skip


def without_echoes(reply: str) -> str:
    """Return the words of a reply in lower case, with a space behind each.

    Left out: addresses, links and host names, each of which an untrusted party chooses; and reply
    codes, which stand within the sentences of replies of several lines.
    """
    words = [
        word for word in mask_addresses(reply, MOST_ADDRESSES_READ).split() if not _is_echo(word)
    ]
    spaced = " ".join(words).lower().translate(_TO_BLANKS).split()
    return "".join([f"{word} " for word in spaced if not word.isdigit()])


def _is_echo(word: str) -> bool:
    if word.isalpha():  # most words
        return False
    return "***" in word or "://" in word or "@" in word or _is_host(word.strip(_AROUND))


def _is_host(name: str) -> bool:
    """Return whether it is written like a host: `mx.example.com`, not `rejected.For`.

    Exchange's own words (`RESOLVER.ADR.RecipNotFound`) have capitals.
    """
    before, dot, top = name.rpartition(".")
    return bool(dot and before) and top.isalpha() and (top.islower() or name.isupper())
