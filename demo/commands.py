"""Commands of `ses-worker` on a terminal of their own, as a person would see them."""

import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Mapping
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path

from demo.daemon import command

LINES = 24
_SKIPPED = re.compile(r"(?:\x1b\[[0-9;]*m)*skipped ")
"""What `check` could not check, since the demo's AWS has no topic; its last line counts it."""


def seen(arguments: list[str], folder: Path, environment: Mapping[str, str], columns: int) -> str:
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
        with suppress(OSError):  # Linux's way to say that the other end is closed
            while piece := os.read(ours, 65_536):
                shown += piece
    os.close(ours)
    text = shown.decode(errors="replace").replace("\r\n", "\n").strip("\n")
    return "\n".join(line for line in text.splitlines() if not _SKIPPED.match(line))
