"""What `users export` writes, and `users import` reads again: texts without formulas, feedback."""

from collections.abc import Mapping
from typing import Any

from worker.core.parsing import parse_time
from worker.store.rows import USER_TIMES

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins like this for a formula, and may run it."""
_GUARD = "'"
_FLAGS = {"true": True, "false": False}
_FLAG_COLUMNS = ("auto_block_spam", "hard_bounce_refused", "soft_bounce_refused")
_COUNTS = ("hard_bounce_count", "soft_bounce_count", "complaint_count")
_LARGEST_COUNT = 2**31 - 1
_LONGEST_REASON = 500


def with_guard(value: object) -> object:
    """Put an apostrophe before a text that a spreadsheet would take for a formula.

    It is also put before a text that already has apostrophes there, so that `without_guard` gives
    back every text.
    """
    is_formula = isinstance(value, str) and value.lstrip(_GUARD).startswith(_FORMULA)
    return f"{_GUARD}{value}" if is_formula else value


def without_guard(text: str) -> str:
    """Undo `with_guard`."""
    is_guarded = text.lstrip(_GUARD).startswith(_FORMULA)
    return text.removeprefix(_GUARD) if is_guarded else text


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
