"""The settings file that `provision` completes."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from worker.core.errors import Misconfigured, Unavailable
from worker.settings.editing import differing, edited
from worker.settings.text_file import read_text
from worker.settings.toml_file import parse_toml

Values = Mapping[str, Mapping[str, Any]]


class SettingsFile:
    """A settings file as it is now; it need not exist yet.

    Raises:
        Misconfigured: it is no settings file.
        Unavailable: it could not be written afterwards.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._text, self._end_of_line = "", "\n"
        with suppress(FileNotFoundError):
            self._text = read_text(path, "settings")
            self._end_of_line = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
        for section, table in parse_toml(self._text, path).items():
            if not isinstance(table, dict):
                raise Misconfigured(f"{section} is not in any [section] of {path}")
        folder = path.resolve().parent
        if not os.access(folder, os.W_OK | os.X_OK):
            raise Unavailable(
                f"cannot write {path}: no right to write into {folder}; without --write-settings "
                "the settings are printed"
            )

    def differing(self, settings: Values) -> list[str]:
        """Return the names of the settings that it does not have."""
        return differing(self._text, settings)

    def with_settings(self, settings: Values) -> str:
        """Return its text with these settings, and every comment that it has."""
        return edited(self._text, settings).replace("\n", self._end_of_line)
