"""The base of sections, and the types of their fields."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A table of the file; unknown keys are errors, and errors do not contain values."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, not true or false")  # noqa: TRY004 pydantic's way
    return value


Integer = Annotated[int, BeforeValidator(_no_flag)]
Number = Annotated[float, BeforeValidator(_no_flag)]
"""Numbers that refuse `true`, which Python and pydantic accept as 1."""


def is_web_address(text: str) -> bool:
    """Return whether a text is an HTTP URL, without user name and password."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        return False
    plain = re.fullmatch(r"[!-~]+", text) is not None and "@" not in parts.netloc
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname)
