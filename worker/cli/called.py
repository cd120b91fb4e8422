"""Recommended commands begin as this program was called, so that they can be pasted."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import click

from worker.cli.common import settings_file
from worker.settings.program import NAME, command

_COMMAND = re.compile(rf"(?<![^\s`(]){NAME} (?=([a-z]+(?:-[a-z]+)?)(?![\w-]))")


def as_called(text: str) -> str:
    """Return a text whose commands of ours begin as this call did, with the same settings."""
    return wording()(text) if NAME in text else text


def wording() -> Callable[[str], str]:
    """Return `as_called` of this call, for other threads, which do not know the call."""
    how = command(os.environ, _settings_file())

    def reworded(text: str) -> str:
        return _COMMAND.sub(lambda found: f"{how} " if _is_ours(found[1]) else found[0], text)

    return reworded


def _is_ours(word: str) -> bool:
    """Return whether a word is a command of ours: an account has the name, too."""
    from worker.cli import COMMANDS  # which imports this module

    return word in COMMANDS


def _settings_file() -> Path | None:
    context = click.get_current_context(silent=True)
    return settings_file() if context else None
