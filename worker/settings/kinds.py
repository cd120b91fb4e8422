"""What the sections are made of."""

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A table of the file: unknown keys are errors, and no error repeats a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, and is true or false")  # noqa: TRY004 pydantic's way
    return value


Whole = Annotated[int, BeforeValidator(_no_flag)]
Number = Annotated[float, BeforeValidator(_no_flag)]
"""For Python, and so for pydantic, `true` is the number 1."""


def is_web_address(text: str) -> bool:
    """Check that it is an HTTP URL."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # reads it
    except ValueError:
        return False
    plain = re.fullmatch(r"[!-~]+", text) is not None and "@" not in parts.netloc
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname)
