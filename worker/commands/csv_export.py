"""What `users export` writes, and `users import` reads again: texts without formulas, feedback."""

import re
from collections.abc import Mapping
from typing import Any

from worker.core.parsing import parse_time
from worker.store.rows import USER_TIMES

_GUARD = "'"
_GUARDED = re.compile("([;\t\r\n]\"?)('*+)(?=[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")
"""Where a spreadsheet would take what follows for a formula, and may run it: at the beginning of a
cell, in the full width of East Asia as well. In half of Europe `;` separates cells, so there a cell
begins in the middle of a text, too, and a line break ends its line. A quote there, which CSV writes
twice, is then an empty quoted text before the rest of the cell."""
_FLAGS = {"true": True, "false": False}
_FLAG_COLUMNS = ("auto_block_spam", "hard_bounce_refused", "soft_bounce_refused")
_COUNTS = ("hard_bounce_count", "soft_bounce_count", "complaint_count")
_LARGEST_COUNT = 2**31 - 1
_LONGEST_REASON = 500


def with_guard(value: object) -> object:
    """Put an apostrophe before what a spreadsheet would take for a formula.

    It is also put where there are apostrophes already, so that `without_guard` gives back every
    text.
    """
    return _GUARDED.sub(rf"\1\2{_GUARD}", f"\n{value}")[1:] if isinstance(value, str) else value


def without_guard(text: str) -> str:
    """Undo `with_guard`."""
    return _GUARDED.sub(lambda found: found[1] + found[2][1:], f"\n{text}")[1:]


def feedback_columns(given: Mapping[str, str]) -> dict[str, Any] | str:
    """Convert the columns of feedback of an exported row, or return why they are not valid."""
    values: dict[str, Any] = {}
    for name in _FLAG_COLUMNS:
        if (flag := _FLAGS.get(given[name].lower())) is None:
            return f"{name} is neither true nor false"
        values[name] = flag
    for name in USER_TIMES:
        text = given.get(name, "")  # an older export lacks the newest columns
        values[name] = parse_time(text)
        if text and values[name] is None:
            return f"{name} is no time"
    for name in _COUNTS:
        text = given[name]
        if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LARGEST_COUNT))):
            return f"{name} is no count"
        values[name] = min(int(text), _LARGEST_COUNT)
    reason = given["pause_reason"]
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        return f"pause_reason is not plain text of at most {_LONGEST_REASON} characters"
    return values | {"pause_reason": reason or None}
