"""Address patterns, as in the settings `notify.ignore` and `suppression.remove`. Pure.

- `name@domain` matches exactly that address.
- `@domain` matches that domain, `@.domain` that domain and its subdomains.
- `text*` and `*text*` are globs on the local part. They never match the domain, because the domain
  of an address is untrusted.

Upper and lower case are equal.
"""

import unicodedata
from collections.abc import Iterable

from worker.core.address import parse_address
from worker.core.invisible import INVISIBLE, trimmed
from worker.core.model import Address


class Patterns:
    """A list of patterns; an address matches the list if it matches any of them."""

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._addresses: set[str] = set()
        self._domains: set[str] = set()
        self._suffixes: set[str] = set()
        self._globs: list[tuple[str, ...]] = []
        self._patterns = tuple(trimmed(pattern) for pattern in patterns)
        for pattern in self._patterns:
            self._add(pattern)

    def __eq__(self, other: object) -> bool:
        """Compare by the patterns."""
        return isinstance(other, Patterns) and self._patterns == other._patterns

    def __hash__(self) -> int:
        """Hash the patterns."""
        return hash(self._patterns)

    def __bool__(self) -> bool:
        """Return whether the list is not empty."""
        return bool(self._patterns)

    def match(self, address: Address) -> bool:
        """Return whether the address matches any of the patterns."""
        if not self:
            return False
        local, _, domain = address.key.rpartition("@")
        return (
            address.key in self._addresses
            or domain in self._domains
            or any(f".{domain}".endswith(suffix) for suffix in self._suffixes)
            or any(_fits(glob, local) for glob in self._globs)
        )

    def _add(self, pattern: str) -> None:
        if not INVISIBLE.isdisjoint(pattern):
            raise ValueError(f"{pattern!r} has a space in it, which no address has")
        if pattern.startswith("@"):
            name = pattern[1:].removeprefix(".")
            example = parse_address(f"a@{name}")
            if example is None or "*" in pattern:
                raise ValueError(f"{pattern!r} names no domain")
            if pattern.startswith("@."):
                self._suffixes.add(f".{example.domain}")
            else:
                self._domains.add(example.domain)
        elif "@" in pattern:
            address = None if "*" in pattern else parse_address(pattern)
            if address is None:
                raise ValueError(f"{pattern!r} is no address, and a glob has no @")
            self._addresses.add(address.key)
        elif "*" in pattern and pattern.strip("*"):
            normal = unicodedata.normalize("NFC", unicodedata.normalize("NFC", pattern).lower())
            self._globs.append(tuple(normal.split("*")))
        else:
            raise ValueError(
                f"{pattern!r} must be name@domain, @domain, @.domain, or text* for local parts"
            )


def _fits(glob: tuple[str, ...], text: str) -> bool:
    """Match in a single pass: the text contains the pieces between the stars, in their order."""
    first, *middle, last = glob
    if not text.startswith(first) or len(text) < len(first) + len(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return text.endswith(last)
