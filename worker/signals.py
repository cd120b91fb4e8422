"""SIGTERM and SIGINT: the first asks to finish, the second to hurry. SIGHUP asks to reload."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from msgspec import Struct, field


class Asked(Struct, frozen=True):
    """What the outside has asked for."""

    to_stop: threading.Event
    to_hurry: threading.Event
    to_reload: threading.Event = field(default_factory=threading.Event)

    def pause(self, seconds: float) -> None:
        """Wait, or until somebody asks to finish."""
        self.to_stop.wait(seconds)


@contextmanager
def caught(*, reload: bool = False) -> Iterator[Asked]:
    """Catch the signals within the block; without any, leave the handlers as they were.

    SIGHUP only for who can `reload`; it ends others, as a terminal that is closed should.
    """
    asked = Asked(threading.Event(), threading.Event())

    def handle(_: int, __: FrameType | None) -> None:
        (asked.to_hurry if asked.to_stop.is_set() else asked.to_stop).set()

    def handle_reload(_: int, __: FrameType | None) -> None:
        asked.to_reload.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    if reload:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, handle_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # one that came sooner is heard
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
