"""Reading what strangers wrote: JSON, texts and times of any shape, without ever falling over."""

import json
import re
from datetime import UTC, datetime
from math import isfinite
from typing import Any, TypeVar

import msgspec

LONGEST_TEXT = 10_000
"""Characters kept of one text; diagnostics are the longest we store, and rarely reach 1,000."""
# A date alone, or a week, would be read as midnight. RFC 3339 allows `t` and `z`.
_LIKE_A_TIME = re.compile(r"\s*\d{4}-\d\d-\d\d[Tt ]\d\d:")

_LONGEST_INTEGER, _LONGEST_NUMBER = 18, 40
"""Digits that are read as numbers."""

Shape = TypeVar("Shape")

# An AWS sample has `2018-10-08T14:05:45 +0000`: a blank before the offset.
_BLANK_OFFSET = re.compile(r"\s+(?=[+-]\d\d:?\d\d\Z)")


class Unreadable(Exception):
    """Not JSON, or (`syntax` false) JSON of another shape than was asked for."""

    def __init__(self, detail: str, *, syntax: bool) -> None:
        super().__init__(detail)
        self.syntax = syntax


def read_json(text: str | msgspec.Raw, shape: type[Shape]) -> Shape:
    """Read a JSON object into a `msgspec.Struct`.

    Raises:
        Unreadable: nothing else, whatever the text: cut off, nested too deep, an array, …

    """
    try:
        return msgspec.json.decode(text, type=shape)
    except RecursionError:
        raise Unreadable("nested too deep", syntax=True) from None
    except (msgspec.DecodeError, UnicodeEncodeError) as error:  # ValidationError is one, too
        whole = text if isinstance(text, str) else bytes(text).decode("utf-8", "replace")
        if "\\ud" not in whole.lower() and "out of range" not in str(error):
            syntax = not isinstance(error, msgspec.ValidationError)
            raise Unreadable(str(error), syntax=syntax) from None
    return _read_odd_json(whole, shape)


def _read_odd_json(text: str, shape: type[Shape]) -> Shape:
    """Read what is JSON to most but not to msgspec.

    Half a surrogate pair, as a cut-off subject has it; a number that no machine's type can hold.
    """
    try:
        read = json.loads(text, parse_int=_number, parse_float=_number)
        mended = json.dumps(_mend(read))
        return msgspec.json.decode(mended, type=shape)
    except msgspec.ValidationError as error:
        raise Unreadable(str(error), syntax=False) from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error), syntax=True) from None


def _number(text: str) -> int | float | str:
    """A number that is too large stays the text it was; nothing that we look at is a number."""
    if len(text) < _LONGEST_INTEGER and text.lstrip("-").isdigit():
        return int(text)
    number = float(text)
    return number if isfinite(number) and len(text) < _LONGEST_NUMBER else text


def _mend(value: Any) -> Any:
    if isinstance(value, str):
        return _without_surrogates(value)
    if isinstance(value, list):
        return [_mend(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _mend(item) for key, item in value.items()}
    return value


def clip(value: object, length: int = LONGEST_TEXT) -> str:
    """Make a text storable: no NUL, no half surrogate, no longer than `length`; "" if no text."""
    if not isinstance(value, str):
        return ""
    text = value[:length]
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return _without_surrogates(text).replace("\0", "\ufffd")


def _without_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parse_time(value: object) -> datetime | None:
    """Read an ISO 8601 time as UTC, the one without an offset too; None if it is none."""
    if not isinstance(value, str) or not _LIKE_A_TIME.match(value):
        return None
    try:
        time = datetime.fromisoformat(_BLANK_OFFSET.sub("", value.strip().upper()))
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
