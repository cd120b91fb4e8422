"""Parses untrusted input: JSON, texts and times. The functions raise nothing but `Unreadable`.

Many values are None. They are compared with it first, because isinstance takes longest where the
answer is no.
"""

import re
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from worker.core.limits import LONGEST_TEXT, LONGEST_TIME

# Without this check `fromisoformat` would take a date, or a week, for midnight. RFC 3339 allows
# `t` and `z` in lower case.
_LIKE_A_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")
_SES_LENGTH = len("2026-11-20T08:15:33.000Z")
# A sample in AWS's documentation has a space before the offset: `2018-10-08T14:05:45 +0000`.
_OFFSET = re.compile(r"[+-]\d\d:?\d\d\Z")
# Half a surrogate pair in an escape sequence; escaped backslashes are replaced before.
_HALF = re.compile(
    r"""
      \\u[dD] (?: [89abAB][0-9a-fA-F]{2} (?! \\u[dD][c-fC-F][0-9a-fA-F]{2} )
              | (?<! \\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD] ) [c-fC-F][0-9a-fA-F]{2} )
    """,
    re.VERBOSE,
)

CUT = "…"
"""Ends a text that was cut."""

Shape = TypeVar("Shape")


class Unreadable(Exception):
    """The text is not JSON; or, with `syntax` False, it is JSON of another shape than expected."""

    def __init__(self, detail: str, *, syntax: bool) -> None:
        super().__init__(detail)
        self.syntax = syntax


def read_json(text: str, shape: type[Shape]) -> Shape:
    """Parse JSON into a msgspec type. The caller has checked the depth of the text.

    Raises:
        Unreadable: the text is not JSON, or has another shape.

    """
    try:
        return msgspec.json.decode(text, type=shape)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        syntax = not isinstance(error, msgspec.ValidationError)  # a subclass of DecodeError
        raise Unreadable(str(error), syntax=syntax) from None


def without_halves(text: str) -> str:
    """Replace each half of a surrogate pair, escaped or not, with U+FFFD.

    A subject that was cut off can end in such a half. Most parsers accept it, msgspec does not.
    """
    if not text.isascii():
        text = _without_surrogates(text)
    if "\\ud" not in text and "\\uD" not in text:
        return text
    escapes_only = text.replace("\\\\", "\\u005c")  # now every backslash begins an escape
    return _HALF.sub("\ufffd", escapes_only)


def clip(value: object, length: int = LONGEST_TEXT, mark: str = CUT) -> str:
    """Make a text storable: no NUL, no lone surrogate, at most `length` long; "" if not a text.

    `mark` ends a text that was cut.
    """
    if value is None or not isinstance(value, str):
        return ""
    text = value if len(value) <= length else f"{value[: length - len(mark)]}{mark}"
    if not text.isascii():
        text = _without_surrogates(text)
    return text.replace("\0", "\ufffd") if "\0" in text else text


def parse_time(value: object) -> datetime | None:
    """Parse an ISO 8601 time; without an offset it is UTC. Return None if it is invalid."""
    if value is None or not isinstance(value, str) or len(value) > LONGEST_TIME:
        return None
    text = value
    if not _is_as_ses_writes(text):  # as nearly all are; they are not changed by what follows
        text = value.strip().upper()
        if not _LIKE_A_TIME.match(text):
            return None
    if not text.endswith("Z") and (offset := _OFFSET.search(text)):
        text = text[: offset.start()].rstrip() + offset[0]
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is UTC:
            return time
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def as_time(stored: object) -> datetime | None:
    """Return a time as a database's driver returns it: SQLite has texts, PostgreSQL times."""
    return stored if isinstance(stored, datetime) else parse_time(stored)


def _is_as_ses_writes(text: str) -> bool:
    return len(text) == _SES_LENGTH and text[7:20:3] == "-T::." and text[-1] == "Z"


def _without_surrogates(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
