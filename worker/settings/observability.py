"""Settings of observability: the HTTP port, the health file."""

import re
from pathlib import Path
from typing import NamedTuple

from pydantic import field_validator

from worker.settings.kinds import Section

_ADDRESS = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})"
)
_LARGEST_PORT = 65_535


class Listen(NamedTuple):
    """The address to listen on."""

    host: str
    port: int
    """0: any free port."""


class HttpSettings(Section):
    """The HTTP server for metrics and health."""

    listen: str = "127.0.0.1:9109"

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, value: str) -> str:
        text = value.strip()
        found = _ADDRESS.fullmatch(text)
        if text and (found is None or int(found["port"]) > _LARGEST_PORT):
            raise ValueError("must be HOST:PORT, such as 127.0.0.1:9109 or [::1]:9109, or empty")
        return text

    @property
    def address(self) -> Listen | None:
        """Host and port; None: no HTTP server."""
        found = _ADDRESS.fullmatch(self.listen)
        return Listen(found["six"] or found["host"], int(found["port"])) if found else None


class HealthSettings(Section):
    """The health file, for hosts without HTTP."""

    file: Path | None = None

    @field_validator("file", mode="before")
    @classmethod
    def _is_set(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("file")
    @classmethod
    def _is_in_a_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_absolute():
            raise ValueError("must be an absolute path: its readers have other working directories")
        return value
