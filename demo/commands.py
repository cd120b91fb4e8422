"""Commands of `ses-worker` on a terminal of their own, as a person would see them."""

import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path

from demo.daemon import command

LINES = 24
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOT_CHECKED = re.compile(r"skipped |unknown |subscription → |ok +(files|forgotten|retention)\b")
"""What `check` could not check, since the demo's AWS has no topics, and what is good and can wait
for a second look; its last line counts all."""
_GOES_ON = " " * 9
"""How `check` indents a line that goes on."""


def screen_of(
    arguments: list[str], folder: Path, environment: Mapping[str, str], columns: int
) -> str:
    """Run a command to its end; return what is on its terminal, with the colours."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, columns, 0, 0))
    called_as = {"CALLED_AS": "ses-worker", "TERM": "xterm"}
    with subprocess.Popen(  # noqa: S603 our own command
        command(*arguments),
        cwd=folder,
        env={**environment, **called_as},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # as Linux reports that the other end is closed
            while piece := os.read(ours, 65_536):
                shown += piece
    os.close(ours)
    text = shown.decode(errors="replace").replace("\r\n", "\n").strip("\n")
    return "".join(_checked(text))


def _checked(text: str) -> Iterator[str]:
    """Leave out lines of `check` about what it could not check, with the lines that go on."""
    leaves_out = False
    for line in text.splitlines(keepends=True):
        plain = _COLOUR.sub("", line)
        leaves_out = bool(_NOT_CHECKED.match(plain)) or (leaves_out and plain.startswith(_GOES_ON))
        if not leaves_out:
            yield line
