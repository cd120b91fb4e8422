"""Says whether a text names known people, in any spelling of their addresses; masks them. Pure.

The one judge of `users forget` and of a data request. Neither can ask it about each row of a large
database: `signs_of` says what a text has at least that names somebody.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any

from worker.core.address import parse_address
from worker.core.disguise import (
    Skeleton,
    masked,
    skeleton_of,
    skeleton_with_words,
    spellings_of,
)
from worker.core.encoded_words import has_words
from worker.core.finding import texts_in

_ESCAPES: tuple[tuple[str, ...], ...] = (
    ("\\u",), ("\\x",), ("=?",), ("%", "40"), ("=40",), ("&#",), ("&amp;#",), ("&commat",),
)  # fmt: skip
"""A text in ASCII with escaped letters has, in lower case, all of one entry."""
_RUN = re.compile(r"[a-z0-9]+")
_ADDRESS = re.compile(r"[\w.!#$&'*+/?^`{|}~-]{1,200}@[\w.-]{1,255}", re.ASCII)
"""An address that is no other with something in front of it; `=` and `%` may be escapes."""
_BREAKS = re.compile(
    r"\\{1,4}(?:[nrtbf]|u00[01][0-9a-f]|x[01][0-9a-f])|%(?:25){0,3}[01][0-9a-f]|=[01][0-9a-f]",
    re.IGNORECASE,
)
"""Escapes of control characters, as in JSON that was cut: `unknown\\njane@example.com`."""
_IN_LOCAL_PARTS = frozenset("._+-")
"""Characters that belong to a local part, beside letters and digits; others may be quotes."""


def names_people(value: Any, keys: Collection[str]) -> bool:
    """Return whether a text of JSON's values names one of the people, however it is spelled."""
    return any(names_any(text, keys) for text in texts_in(value))


def names_any(text: str, known: Iterable[str]) -> bool:
    """Return whether a text has one of these addresses, and not only a longer one."""
    keys = _perhaps_named(text, known)
    if keys and (whole := whole_address(text)):
        return whole in keys
    return bool(keys) and any(
        True for reading in _readings(text) for key in keys for _ in _spans(reading, key)
    )


def whole_address(text: str) -> str:
    """Return the key of a text that is an address and nothing else, plainly written; else ""."""
    if not _ADDRESS.fullmatch(text):
        return ""
    address = parse_address(text)
    return address.key if address else ""


def hide_all(text: str, known: Iterable[str]) -> str:
    """Mask the local parts of known addresses, in all of a text of any length."""
    keys = _perhaps_named(text, known)
    if not keys or whole_address(text) not in {"", *keys}:
        return text
    spans = {span for reading in _readings(text) for key in keys for span in _spans(reading, key)}
    return masked(text, spans) if spans else text


def signs_of(keys: Iterable[str]) -> list[tuple[str, ...]]:
    """Return entries of which a text in ASCII has one, in lower case, if it names anybody.

    So has JSON with such a text: there an escape may stand for any character.
    """
    plain: set[tuple[str, ...]] = set()
    for key in keys:
        word, spaced = _beginning(key)
        plain.add((max(_RUN.findall(word), key=len, default=""),))
        plain.add((spaced if spaced[2:].isalnum() else spaced[:2],))
    return [*_ESCAPES, *sorted(plain)]


@lru_cache(maxsize=256)
def _beginning(key: str) -> tuple[str, str]:
    """Return the first word of an address, and how it begins with a blank between its letters."""
    word = key.partition("@")[0].partition(".")[0]
    return word, f"{word[:1]} {word[1:2]}"


def _perhaps_named(text: str, known: Iterable[str]) -> list[str]:
    """Return, at little cost, which addresses a text may have."""
    lowered = text.lower()
    if not text.isascii() or _is_escaped(lowered):
        return list(known)
    begun = []
    for key in known:
        word, spaced = _beginning(key)
        if word in lowered or spaced in lowered:
            begun.append(key)
    if not begun:
        return begun  # nearly always
    squeezed = "".join(lowered.split())
    return [
        key
        for key in begun
        if _beginning(key)[0] in squeezed and key.rpartition("@")[2].partition(".")[0] in squeezed
    ]


def _is_escaped(lowered: str) -> bool:
    if "\\" in lowered or "=" in lowered or "%" in lowered or "&" in lowered:  # not many have
        return any(all(part in lowered for part in each) for each in _ESCAPES)
    return False


def _readings(text: str) -> Iterator[Skeleton]:
    """Yield a text as it is, and without its disguises.

    What looks like an escape may be the beginning of an address: `to=42@example.com`. What looks
    like an encoded word may be one that stands in an address as it is.
    """
    lowered = text.lower()
    if len(lowered) != len(text):  # a letter that becomes two in lower case
        lowered = "".join(character.lower()[0] for character in text)
    yield Skeleton(lowered, range(len(text)), range(1, len(text) + 1))
    yield skeleton_of(text)
    if _BREAKS.search(text):
        yield skeleton_of(_BREAKS.sub(lambda escape: " " * len(escape[0]), text))
    if has_words(text):
        yield skeleton_with_words(text)


def _spans(reading: Skeleton, key: str) -> Iterator[tuple[int, int]]:
    """Find where an address is written, and not one that has it as a part: `anna@` has `a@`."""
    for length, address in _written(key):
        at = reading.text.find(address)
        while at >= 0:
            end = at + len(address)
            if not (_goes_on_before(reading, at) or _goes_on_behind(reading, end)):
                yield reading.starts[at], reading.ends[at + length - 1]
            at = reading.text.find(address, at + 1)


@lru_cache(maxsize=256)
def _written(key: str) -> tuple[tuple[int, str], ...]:
    """Return the length of the local part, and the address, as readings may have them."""
    found = {*spellings_of(key), (key.rindex("@"), key)}
    plain = {(length, address) for length, address in found if length}
    quoted = {(length + 2, f'"{address[:length]}"{address[length:]}') for length, address in plain}
    return (*plain, *quoted)


def _goes_on_before(reading: Skeleton, at: int) -> bool:
    if at == 0 or not _touch(reading, at):
        return False
    before = reading.text[at - 1]
    if before == "'":  # a quote, but within a word a part of the address: `o'brien@example.com`
        return at > 1 and reading.text[at - 2].isalnum() and _touch(reading, at - 1)
    return before.isalnum() or before in _IN_LOCAL_PARTS


def _touch(reading: Skeleton, at: int) -> bool:
    """Return whether no blank is written between a character and the one before it."""
    return reading.ends[at - 1] >= reading.starts[at]  # more: within an encoded word


def _goes_on_behind(reading: Skeleton, end: int) -> bool:
    behind = reading.text[end : end + 2]
    if not behind or not _touch(reading, end):
        return False
    if behind[0] == ".":  # the end of a sentence, or a longer domain
        return len(behind) > 1 and _touch(reading, end + 1) and behind[1].isalnum()
    return behind[0].isalnum() or behind[0] == "-"
