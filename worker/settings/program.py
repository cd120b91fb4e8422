"""How this program was called, so that the commands which it recommends can be pasted."""

import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

NAME = "ses-worker"
_OF_UNIT = re.compile(r"/run/ses-worker(?:-([A-Za-z0-9_.@:-]+))?")


def command(environment: Mapping[str, str], file: Path | None) -> str:
    """Return how commands of this program begin; `file`: the value of `--config`."""
    how = own_name(environment, sys.argv, sys.orig_argv)
    if file is None or "CALLED_AS" in environment or _unit(environment):
        return how
    return f"{how} --config {shlex.quote(str(file))}"


def own_name(environment: Mapping[str, str], argv: Sequence[str], whole: Sequence[str]) -> str:
    """Return the words by which the program was called.

    Args:
        environment: Has `CALLED_AS` if systemd/ses-worker runs the command, and the unit's
            `RUNTIME_DIRECTORY` in the service.
        argv: `sys.argv`.
        whole: `sys.orig_argv`, with Python's own arguments.

    """
    if given := environment.get("CALLED_AS"):
        return given
    if unit := _unit(environment):
        return f"{NAME} --instance {unit[1]}" if unit[1] else NAME
    program = Path(argv[0])
    if program.name == "__main__.py":
        return f"{shlex.quote(whole[0])} -m worker"
    if program.name != NAME or str(program) == shutil.which(NAME):
        return NAME
    return shlex.quote(argv[0])


def _unit(environment: Mapping[str, str]) -> re.Match[str] | None:
    """Recognise the service, whose commands systemd/ses-worker runs, by its RuntimeDirectory."""
    return _OF_UNIT.fullmatch(environment.get("RUNTIME_DIRECTORY", "").partition(":")[0])
