"""Hides known addresses in a text, however they are spelled there. Pure.

Programs escape addresses, and people hide them from robots: `raj at example dot com`, spaced or
full-width letters. `worker.core.masking` masks what it recognises without knowing the address. Here
the text is reduced to what a person reads, and searched for the address.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import filterfalse, islice
from typing import NamedTuple

import idna

from worker.core.encoded_words import has_words, words_in
from worker.core.invisible import INVISIBLE
from worker.core.limits import LONGEST_SHOWN, MOST_ADDRESSES_SHOWN
from worker.core.masking import MASK

_LONGEST = LONGEST_SHOWN + 1_000
"""Characters that are searched; an address that begins before the cut may end after it."""
_TOKEN = re.compile(
    r"""
      (?P<word> [a-z0-9]{1,100}+ )
    | (?P<blank> [ \n\r\t]{1,100}+ )
    | (?P<at>
        [(\[{<\uff08\uff3b\uff5b\uff1c\u3010]\s{0,3}
        (?:a\s{0,2}t|\uff41\uff54|[@\uff20])\s{0,3}[)\]}>\uff09\uff3d\uff5d\uff1e\u3011]
      | [_*-]{1,3}\s{0,2}at\s{0,2}[_*-]{1,3}
      | &commat;
      )
    | (?P<dot>
        [(\[{<\uff08\uff3b\uff5b\uff1c\u3010]\s{0,3}
        (?:d\s{0,2}o\s{0,2}t|\uff44\uff4f\uff54|[.\uff0e])\s{0,3}
        [)\]}>\uff09\uff3d\uff5d\uff1e\u3011]
      | [_*-]{1,3}\s{0,2}dot\s{0,2}[_*-]{1,3}
      )
    | (?:
        (?:%(?:25){0,3}|=|\\{1,4}x|\\{1,4}u\{?0{0,6}) (?P<hex>[2-7][0-9a-f]) \}?
      | &(?:amp;)?\#x0{0,5}(?P<html_hex>[2-7][0-9a-f]);
      | &(?:amp;)?\#0{0,5}(?P<html>[1-9][0-9]{1,2});
      )
    | (?P<one> . )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_IN_LOCAL_PARTS = frozenset("._+-")
"""Characters that belong to a local part, beside letters and digits; others may be quotes."""
_SPELLED = {"at": "@", "dot": ".", "\u3002": ".", "\uff61": "."}


class _Skeleton(NamedTuple):
    """What a person reads of a text, and where each of its characters is written."""

    text: str
    starts: list[int]
    ends: list[int]


class _Skeletons(NamedTuple):
    """Skeletons one behind the other."""

    pieces: list[str]
    starts: list[int]
    ends: list[int]


def hide(text: str, known: Iterable[str]) -> str:
    """Mask the local parts of known addresses, which are keys of `worker.core.address`."""
    keys = [key for key in islice(known, MOST_ADDRESSES_SHOWN) if may_name(text, key)]
    if not keys:
        return text  # nearly always
    cut = text[:_LONGEST]
    skeleton = _skeleton(cut)
    spans = [span for key in keys for span in _spans(skeleton, key)]
    return _masked(cut, spans) + text[_LONGEST:] if spans else text


def hide_all(text: str, known: Iterable[str]) -> str:
    """Mask known addresses as `hide` does: in all of a long text, and none that only ends alike."""
    keys = _perhaps_named(text, known)
    if not keys:
        return text
    skeleton = _skeleton_with_words(text)
    spans = [span for key in keys for span in _whole_spans(skeleton, key)]
    return _masked(text, spans) if spans else text


def names_any(text: str, known: Iterable[str]) -> bool:
    """Return whether a text has one of these addresses, however it is spelled there."""
    keys = _perhaps_named(text, known)
    if not keys:
        return False
    skeleton = _skeleton_with_words(text)
    return any(True for key in keys for _ in _whole_spans(skeleton, key))


def _perhaps_named(text: str, known: Iterable[str]) -> list[str]:
    if has_words(text):
        return list(known)
    lowered = text.lower()
    return [key for key in known if key in lowered or may_name(text, key)]


def may_name(text: str, key: str) -> bool:
    """Return, at little cost, whether a text may have an address that is not spelled plainly.

    In a text in ASCII without escapes at least the first words of local part and domain are as they
    are, but for blanks between the letters.
    """
    if not text.isascii() or _has_escapes(text):
        return True
    lowered = text.lower()
    local, _, domain = key.partition("@")
    word = local.partition(".")[0]
    is_there = word in lowered
    if is_there:
        lowered = lowered.replace(key, "")
        is_there = word in lowered
    if not is_there and f"{word[:1]} {word[1:2]}" not in lowered:
        return False
    squeezed = "".join(lowered.split())
    return word in squeezed and domain.partition(".")[0] in squeezed


def _has_escapes(text: str) -> bool:
    return ("40" in text and ("%" in text or "\\" in text or "=40" in text)) or (
        "&" in text and ("&#" in text or "&amp;#" in text or "&commat" in text)
    )


def _skeleton(text: str) -> _Skeleton:
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "blank":
            continue
        start, end = token.span()
        if kind == "word":
            read = token[0].lower()
            read = _SPELLED.get(read, read)
        else:
            read = _read(token, kind or "")
        pieces.append(read)
        if len(read) == end - start:
            starts.extend(range(start, end))
            ends.extend(range(start + 1, end + 1))
        else:
            starts.extend([start] * len(read))
            ends.extend([end] * len(read))
    return _Skeleton("".join(pieces), starts, ends)


def _skeleton_with_words(text: str) -> _Skeleton:
    """Return the skeleton of a text whose encoded words (RFC 2047) are decoded.

    All characters of a word stand where the whole word is written. Words are not read across the
    blanks in them: their places could not be found.
    """
    if not has_words(text):
        return _skeleton(text)
    whole = _Skeletons([], [], [])
    end = 0
    for start, stop, words in words_in(text):
        _append(whole, _skeleton(text[end:start]), end)
        plain = " ".join(_skeleton(part).text for part in words.split())
        whole.pieces.append(plain)
        whole.starts.extend([start] * len(plain))
        whole.ends.extend([stop] * len(plain))
        end = stop
    _append(whole, _skeleton(text[end:]), end)
    return _Skeleton("".join(whole.pieces), whole.starts, whole.ends)


def _append(whole: _Skeletons, part: _Skeleton, offset: int) -> None:
    whole.pieces.append(part.text)
    whole.starts.extend(start + offset for start in part.starts)
    whole.ends.extend(end + offset for end in part.ends)


def _read(token: re.Match[str], kind: str) -> str:
    """Return what a person reads: lower case, without blanks, signs and dots as such."""
    if kind in {"at", "dot"}:
        return _SPELLED[kind]
    character = token[0]
    if kind != "one":
        character = chr(int(token[kind], 10 if kind == "html" else 16)).lower()
    if character in INVISIBLE:
        return ""
    return _SPELLED.get(character) or (character if character.isascii() else _folded(character))


@lru_cache(maxsize=1024)
def _folded(character: str) -> str:
    """Return a character in lower case, of usual width, without accents."""
    plain = unicodedata.normalize("NFKD", character)
    return "".join(filterfalse(unicodedata.combining, plain)).lower()


@lru_cache(maxsize=256)  # a message is logged, and its notice made, for each of its texts
def _spellings(key: str) -> tuple[tuple[int, str], ...]:
    """Return the length of the local part, and the skeleton of the address, for each domain."""
    local, _, domain = key.rpartition("@")
    reduced = _skeleton(local).text
    domains = {domain, *_unicode(domain)}
    return tuple((len(reduced), f"{reduced}@{_skeleton(name).text}") for name in domains)


def _unicode(domain: str) -> Iterator[str]:
    if "xn--" in domain:
        try:
            yield idna.decode(domain)
        except (idna.IDNAError, UnicodeError):
            return


def _spans(skeleton: _Skeleton, key: str) -> Iterator[tuple[int, int]]:
    """Find where the local part of an address is written."""
    for length, address in _spellings(key):
        at = skeleton.text.find(address) if length else -1
        while at >= 0:
            yield skeleton.starts[at], skeleton.ends[at + length - 1]
            at = skeleton.text.find(address, at + len(address))


def _whole_spans(skeleton: _Skeleton, key: str) -> Iterator[tuple[int, int]]:
    """Find where an address is written, and not one that has it as a part: `anna@` has `a@`."""
    text = skeleton.text
    for length, address in _spellings(key):
        at = text.find(address) if length else -1
        while at >= 0:
            end = at + len(address)
            if not (_goes_on_before(skeleton, at) or _goes_on_behind(skeleton, end)):
                yield skeleton.starts[at], skeleton.ends[at + length - 1]
            at = text.find(address, at + 1)


def _goes_on_before(skeleton: _Skeleton, at: int) -> bool:
    if at == 0 or skeleton.ends[at - 1] < skeleton.starts[at]:  # blanks are between them
        return False
    before = skeleton.text[at - 1]
    return before.isalnum() or before in _IN_LOCAL_PARTS


def _goes_on_behind(skeleton: _Skeleton, end: int) -> bool:
    behind = skeleton.text[end : end + 2]
    if not behind or skeleton.ends[end - 1] < skeleton.starts[end]:
        return False
    if behind[0] == ".":  # the end of a sentence, or a longer domain
        is_next = len(behind) > 1 and skeleton.ends[end] == skeleton.starts[end + 1]
        return is_next and behind[1].isalnum()
    return behind[0].isalnum() or behind[0] == "-"


def _masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    shown: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        if start >= end:
            shown += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*shown, text[end:]])
