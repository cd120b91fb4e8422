"""A stranger's JSON, printed for people; addresses masked in every string of it, if so wished."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from worker.slack.text import bounded, mask

MOST = 16_000
"""Characters that are worth preparing; a message shows fewer."""


def pretty(text: str, *, masked: bool) -> str:
    """Print the JSON in a text; a text that is none is shown as it is.

    At most about `MOST` characters; an ellipsis at the end says that there was more.
    """
    try:
        value = json.loads(text)
        return bounded(printed(value, masked=masked), MOST)
    except (ValueError, RecursionError):
        return mask(text) if masked else bounded(text, MOST)


def printed(value: Any, *, masked: bool) -> str:
    """Print a value in lines, with what is not ASCII as it is."""
    shown = _Masker().mask(value) if masked else value
    return json.dumps(shown, indent=2, ensure_ascii=False, default=str)


class _Masker:
    """Masks strings and keys; leaves out what comes when `MOST` characters are behind it."""

    def __init__(self) -> None:
        self._left = MOST

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
