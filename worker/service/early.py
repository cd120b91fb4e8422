"""Signal handlers for the first moment of a command, before large modules are imported.

They are needed as the first process of a container: the kernel does not deliver signals to it for
which it has no handler.
"""

import os
import signal
from collections.abc import Sequence
from types import FrameType

_WITH_A_VALUE = frozenset({"--config"})
"""Options before a command's name that take a value."""
_TERMINATED = 128 + signal.SIGTERM
"""The exit status that a shell shows for a command that SIGTERM has ended."""


def obey_stops(arguments: Sequence[str]) -> None:
    """Let SIGTERM end a command that has not begun to work; for `run` SIGINT, too.

    `run` exits with 0, as it does later. A SIGHUP is blocked until `run` has a handler for it.
    """
    if command_of(arguments) == "run":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
    elif os.getpid() == 1:
        signal.signal(signal.SIGTERM, _leave_terminated)


def command_of(arguments: Sequence[str]) -> str:
    """Return the name of the command; an empty text without a command."""
    left = iter(arguments)
    for argument in left:
        if argument in _WITH_A_VALUE:
            next(left, "")
        elif not argument.startswith("-"):
            return argument
    return ""


def _leave(_: int, __: FrameType | None) -> None:
    os._exit(0)  # nothing was begun, so nothing must be finished


def _leave_terminated(_: int, __: FrameType | None) -> None:
    os._exit(_TERMINATED)
