"""How this program was called, so that the commands which it recommends can be pasted."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from worker.cli.common import settings_file

NAME = "ses-worker"
_COMMAND = re.compile(rf"(?<![^\s`(]){NAME} (?=([a-z]+(?:-[a-z]+)?)(?![\w-]))")


def as_called(text: str) -> str:
    """Return a text whose commands of ours begin as this call did, with the same settings."""
    if NAME not in text:
        return text
    how = own_name(os.environ, sys.argv, sys.orig_argv)
    if "CALLED_AS" not in os.environ and (file := _settings_file()):
        how += f" --config {shlex.quote(str(file))}"
    return _COMMAND.sub(lambda found: f"{how} " if _is_ours(found[1]) else found[0], text)


def _is_ours(word: str) -> bool:
    """Tell a command from another word: an account has the name, too."""
    from worker.cli import COMMANDS  # which imports this module

    return word in COMMANDS


def own_name(environment: Mapping[str, str], argv: Sequence[str], whole: Sequence[str]) -> str:
    """Return the words by which the program was called.

    Args:
        environment: Has `CALLED_AS` if systemd/ses-worker runs the command.
        argv: `sys.argv`.
        whole: `sys.orig_argv`, with Python's own arguments.

    """
    if given := environment.get("CALLED_AS"):
        return given
    program = Path(argv[0])
    if program.name == "__main__.py":
        return f"{shlex.quote(whole[0])} -m worker"
    if program.name != NAME or str(program) == shutil.which(NAME):
        return NAME
    return shlex.quote(argv[0])


def _settings_file() -> Path | None:
    context = click.get_current_context(silent=True)
    return settings_file() if context else None
