"""SIGTERM and SIGINT: the first asks to finish, the second to hurry."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from msgspec import Struct


class Asked(Struct, frozen=True):
    """What the outside has asked for."""

    to_stop: threading.Event
    to_hurry: threading.Event

    def pause(self, seconds: float) -> None:
        """Wait, or until somebody asks to finish."""
        self.to_stop.wait(seconds)


@contextmanager
def caught() -> Iterator[Asked]:
    """Catch both signals within the block; without any, leave the handlers as they were."""
    asked = Asked(threading.Event(), threading.Event())

    def handle(_: int, __: FrameType | None) -> None:
        (asked.to_hurry if asked.to_stop.is_set() else asked.to_stop).set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            # Python's last steps restore every handler but this one: who is leaving is not killed.
            signal.signal(number, signal.SIG_IGN if asked.to_stop.is_set() else handler)


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Have SIGTERM end the block as Ctrl-C does, by KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
