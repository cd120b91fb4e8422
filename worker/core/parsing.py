"""Parses untrusted input: JSON, texts and times of any shape; never raises anything else."""

import re
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from worker.core.limits import LONGEST_TEXT, LONGEST_TIME

# A date alone, or a week, would be read as midnight. RFC 3339 allows `t` and `z`.
_LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")
# An AWS sample has `2018-10-08T14:05:45 +0000`: a space before the offset.
_OFFSET = re.compile(r"[+-]\d\d:?\d\d\Z")
# Half a surrogate pair, escaped, where every backslash begins an escape.
_HALF = re.compile(
    r"""
      \\u[dD] (?: [89abAB][0-9a-fA-F]{2} (?! \\u[dD][c-fC-F][0-9a-fA-F]{2} )
              | (?<! \\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD] ) [c-fC-F][0-9a-fA-F]{2} )
    """,
    re.VERBOSE,
)

Shape = TypeVar("Shape")


class Unreadable(Exception):
    """Not JSON, or (`syntax` false) JSON of another shape than expected."""

    def __init__(self, detail: str, *, syntax: bool) -> None:
        super().__init__(detail)
        self.syntax = syntax


def read_json(text: str, shape: type[Shape]) -> Shape:
    """Read JSON into a shape of msgspec's.

    Raises:
        Unreadable: nothing else, if the text is not nested too deep.

    """
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        syntax = not isinstance(error, msgspec.ValidationError)  # which is a DecodeError, too
        raise Unreadable(str(error), syntax=syntax) from None


def without_halves(text: str) -> str:
    """The same JSON with U+FFFD for each half of a surrogate pair, escaped or not.

    A subject that was cut off has one. It is JSON to most, and not to msgspec.
    """
    if not text.isascii():
        text = _without_surrogates(text)
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return _HALF.sub("\ufffd", text.replace("\\\\", "\\u005c"))  # an escaped backslash


def clip(value: object, length: int = LONGEST_TEXT) -> str:
    """Make a text storable: no NUL, no half surrogate, no longer than `length`; "" if no text."""
    if not isinstance(value, str):
        return ""
    text = value[:length]
    if not text.isascii():
        text = _without_surrogates(text)
    return text.replace("\0", "\ufffd") if "\0" in text else text


def parse_time(value: object) -> datetime | None:
    """Parse an ISO 8601 time as UTC, also without an offset; None if it is invalid."""
    if not isinstance(value, str) or len(value) > LONGEST_TIME:
        return None
    text = value.strip().upper()
    if not _LIKE_A_TIME.match(text):
        return None
    if not text.endswith("Z") and (offset := _OFFSET.search(text)):
        text = text[: offset.start()].rstrip() + offset[0]
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _without_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
