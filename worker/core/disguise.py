"""Hides known addresses in a text, however they are spelled there. Pure.

Programs escape addresses, and people hide them from robots: `raj at example dot com`, spaced or
full-width letters. `worker.core.masking` masks what it recognises without knowing the address. Here
the text is reduced to what a person reads, and searched for the address.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
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
      | \\{1,4}u(?P<json>[0-9a-f]{4})
      | \\{1,4}[xu]\{0{0,4}(?P<braced>[0-9a-f]{2,5})\}  # as in RFC 6533
      )
    | (?P<one> . )
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_SPELLED = {"at": "@", "dot": ".", "\u3002": ".", "\uff61": "."}


class Skeleton(NamedTuple):
    """What a person reads of a text, and where each of its characters is written."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


class _Pieces(NamedTuple):
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
    skeleton = skeleton_of(cut)
    spans = [span for key in keys for span in _spans(skeleton, key)]
    return masked(cut, spans) + text[_LONGEST:] if spans else text


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


def skeleton_of(text: str) -> Skeleton:
    """Reduce a text to what a person reads."""
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
    return Skeleton("".join(pieces), starts, ends)


def skeleton_with_words(text: str) -> Skeleton:
    """Return the skeleton of a text whose encoded words (RFC 2047) are decoded.

    All characters of a word stand where the whole word is written. Words are not read across the
    blanks in them: their places could not be found.
    """
    if not has_words(text):
        return skeleton_of(text)
    whole = _Pieces([], [], [])
    end = 0
    for start, stop, words in words_in(text):
        _append(whole, skeleton_of(text[end:start]), end)
        plain = " ".join(skeleton_of(part).text for part in words.split())
        whole.pieces.append(plain)
        whole.starts.extend([start] * len(plain))
        whole.ends.extend([stop] * len(plain))
        end = stop
    _append(whole, skeleton_of(text[end:]), end)
    return Skeleton("".join(whole.pieces), whole.starts, whole.ends)


def _append(whole: _Pieces, part: Skeleton, offset: int) -> None:
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
def spellings_of(key: str) -> tuple[tuple[int, str], ...]:
    """Return the length of the local part, and the skeleton of the address, for each domain."""
    local, _, domain = key.rpartition("@")
    reduced = skeleton_of(local).text
    domains = {domain, *_unicode(domain)}
    return tuple((len(reduced), f"{reduced}@{skeleton_of(name).text}") for name in domains)


def _unicode(domain: str) -> Iterator[str]:
    if "xn--" in domain:
        try:
            yield idna.decode(domain)
        except (idna.IDNAError, UnicodeError):
            return


def _spans(skeleton: Skeleton, key: str) -> Iterator[tuple[int, int]]:
    """Find where the local part of an address is written."""
    for length, address in spellings_of(key):
        at = skeleton.text.find(address) if length else -1
        while at >= 0:
            yield skeleton.starts[at], skeleton.ends[at + length - 1]
            at = skeleton.text.find(address, at + len(address))


def masked(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """Mask what stands between these places."""
    shown: list[str] = []
    end = 0
    for start, stop in sorted(spans):
        if start >= end:
            shown += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*shown, text[end:]])
