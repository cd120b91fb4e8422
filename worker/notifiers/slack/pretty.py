"""Pretty-prints untrusted JSON, and masks the addresses in its strings on request."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from worker.core.disguise import hide
from worker.core.limits import LONGEST_PRINTED
from worker.notifiers.slack.text import bounded, mask

_IN_LINES = json.JSONEncoder(indent=2, ensure_ascii=False, default=str)


def pretty(text: str, *, masked: bool, people: Sequence[str] = ()) -> str:
    """Pretty-print a JSON text; any other text is returned unchanged.

    It is cut at `LONGEST_PRINTED` characters, with an ellipsis. A masked text does not show the
    addresses of `people` either, however they are spelled.
    """
    try:
        value = json.loads(text)
        return printed(value, masked=masked, people=people)
    except (ValueError, RecursionError):
        return mask(hide(text, people)) if masked else bounded(text, LONGEST_PRINTED)


def printed(value: Any, *, masked: bool, people: Sequence[str] = ()) -> str:
    """Pretty-print a value; non-ASCII characters are not escaped. Cut as `pretty` cuts.

    Printing stops at the limit: indentation can make a deeply nested value a thousand times as long
    as its source.
    """
    shown = _Masker(people).mask(value) if masked else value
    pieces: list[str] = []
    room = LONGEST_PRINTED + 1
    for piece in _IN_LINES.iterencode(shown):
        pieces.append(piece[:room])
        room -= len(piece)
        if room <= 0:
            break
    return bounded("".join(pieces), LONGEST_PRINTED)


class _Masker:
    """Masks strings and keys; leaves out everything after `LONGEST_PRINTED` characters."""

    def __init__(self, people: Sequence[str]) -> None:
        self._people = people
        self._left = LONGEST_PRINTED

    def mask(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {
                self._text(str(key)): self.mask(item)
                for key, item in value.items()
                if self._left > 0
            }
        if isinstance(value, Sequence):
            return [self.mask(item) for item in value if self._spend(1)]
        return value if isinstance(value, int | float | None) else self._text(str(value))

    def _text(self, text: str) -> str:
        return mask(hide(text, self._people)) if self._spend(len(text)) else "…"

    def _spend(self, characters: int) -> bool:
        self._left -= characters
        return self._left + characters > 0
