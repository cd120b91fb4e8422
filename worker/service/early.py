"""The first moment of a command, before anything large is read: a stop is obeyed from here on.

As the first process of a container it would not be: the kernel keeps from that one every signal
that it has no handler for.
"""

import os
import signal
from collections.abc import Sequence
from types import FrameType

_WITH_A_VALUE = frozenset({"--config"})
"""Options that stand before a command's name, and take a value."""
_TERMINATED = 128 + signal.SIGTERM
"""What a shell tells of a command that SIGTERM has ended."""


def obey_stops(arguments: Sequence[str]) -> None:
    """Have SIGTERM, and for `run` SIGINT too, end a command that has not begun to work.

    `run` leaves with 0, as later on. A SIGHUP is held back until it has somebody to hear it.
    """
    if command_of(arguments) == "run":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
    elif os.getpid() == 1:
        signal.signal(signal.SIGTERM, _leave_terminated)


def command_of(arguments: Sequence[str]) -> str:
    """Return which command is named; none: an empty text."""
    left = iter(arguments)
    for argument in left:
        if argument in _WITH_A_VALUE:
            next(left, "")
        elif not argument.startswith("-"):
            return argument
    return ""


def _leave(_: int, __: FrameType | None) -> None:
    os._exit(0)  # nothing is begun, so there is nothing to finish


def _leave_terminated(_: int, __: FrameType | None) -> None:
    os._exit(_TERMINATED)
