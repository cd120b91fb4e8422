"""Finds the phrases of the table in a reply. Pure.

A phrase begins where a word of the reply begins. Its last word may go on (`blacklist` fits
`blacklisted`), unless `$` ends it. `…` stands for any words between two parts.
"""

from collections.abc import Iterator

from msgspec import Struct

from worker.core.faults.fault import Fault
from worker.core.faults.hinting import HINTING
from worker.core.faults.telling import TELLING

_ROWS = (*TELLING, *HINTING)
_SECOND = 2
"""Characters of a second word in a key: with them few phrases have the same key."""
_MOST_WORDS = 100
"""Words that are looked at; the longest replies of large providers have about 80."""
_ONLY = 4
"""Characters of an only word in a key."""


class _Phrase(Struct, frozen=True):
    """A phrase of a row; rows are numbered from the first."""

    row: int
    start: str
    rest: tuple[str, ...]

    def fits(self, words: str, at: int) -> bool:
        """Return whether the phrase begins there."""
        if not words.startswith(self.start, at):
            return False
        at += len(self.start)
        for part in self.rest:
            at = words.find(part, at) + 1
            if not at:
                return False
        return True


def fault_of_words(words: str) -> Fault | None:
    """Return the fault of the first row that has a phrase of the reply; None: no row has.

    `words` are in lower case with a space behind each. The time is in proportion to their number.
    """
    found = len(_ROWS)
    at = 0
    for word in words.split()[:_MOST_WORDS]:
        behind = at + len(word) + 1
        for key in (word[:_ONLY], words[at : behind + _SECOND]):
            for phrase in _BY_KEY.get(key, ()):
                if phrase.row < found and phrase.fits(words, at):
                    found = phrase.row
        at = behind
    return _ROWS[found][0] if found < len(_ROWS) else None


def _by_key() -> dict[str, list[_Phrase]]:
    table: dict[str, list[_Phrase]] = {}
    for row, text in _written():
        start, *rest = (f"{part.strip()} " for part in text.split("…"))
        open_ended = not text.endswith("$")
        if rest:
            rest[-1] = rest[-1].replace("$", "").rstrip() if open_ended else rest[-1]
        else:
            start = start.rstrip() if open_ended else start.replace("$", "")
        phrase = _Phrase(row, start, tuple(f" {part}" for part in rest))
        table.setdefault(_key(phrase), []).append(phrase)
    return table


def _key(phrase: _Phrase) -> str:
    first, _, others = phrase.start.partition(" ")
    return f"{first} {others[:_SECOND]}" if others else first[:_ONLY]


def _written() -> Iterator[tuple[int, str]]:
    for row, (_, phrases) in enumerate(_ROWS):
        for phrase in phrases.split(";"):
            yield row, " ".join(phrase.split())


_BY_KEY = _by_key()
