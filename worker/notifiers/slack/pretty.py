"""Pretty-prints untrusted JSON; masks addresses in every string, if requested."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from worker.core.limits import LONGEST_PRINTED
from worker.notifiers.slack.text import bounded, mask

_IN_LINES = json.JSONEncoder(indent=2, ensure_ascii=False, default=str)


def pretty(text: str, *, masked: bool) -> str:
    """Print the JSON in a text; a text that is none is shown as it is.

    At most `LONGEST_PRINTED` characters; an ellipsis at the end says that there was more.
    """
    try:
        value = json.loads(text)
        return printed(value, masked=masked)
    except (ValueError, RecursionError):
        return mask(text) if masked else bounded(text, LONGEST_PRINTED)


def printed(value: Any, *, masked: bool) -> str:
    """Print a value in lines, with what is not ASCII as it is; cut as `pretty` cuts.

    No more is printed than is shown: each line of a value that is nested deep begins with as many
    spaces, so that the whole may be a thousand times as long as what it was read from.
    """
    shown = _Masker().mask(value) if masked else value
    pieces: list[str] = []
    room = LONGEST_PRINTED + 1
    for piece in _IN_LINES.iterencode(shown):
        pieces.append(piece[:room])
        room -= len(piece)
        if room <= 0:
            break
    return bounded("".join(pieces), LONGEST_PRINTED)


class _Masker:
    """Masks strings and keys; leaves out what comes behind `LONGEST_PRINTED` characters."""

    def __init__(self) -> None:
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
        return mask(text) if self._spend(len(text)) else "…"

    def _spend(self, characters: int) -> bool:
        self._left -= characters
        return self._left + characters > 0
