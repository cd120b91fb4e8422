"""SIGTERM and SIGINT: the first asks to finish, the second to hurry. SIGHUP asks to reload."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from msgspec import Struct, field


class SignalEvents(Struct, frozen=True):
    """Events set by signals."""

    to_stop: threading.Event
    to_hurry: threading.Event
    to_reload: threading.Event = field(default_factory=threading.Event)

    def pause(self, seconds: float) -> None:
        """Wait, or until a stop."""
        self.to_stop.wait(seconds)


@contextmanager
def caught(*, reload: bool = False) -> Iterator[SignalEvents]:
    """Catch the signals within the block; without any, leave the handlers as they were.

    A thread hears of them through a pipe that Python's own handler writes to. So they are heard
    while the main thread hangs in a call, and no event is set in the midst of its being waited for.

    SIGHUP only for who can `reload`; it ends others, as a terminal that is closed should.
    """
    signals = SignalEvents(threading.Event(), threading.Event())
    hears, tells = os.pipe()
    os.set_blocking(tells, False)
    listener = threading.Thread(target=_listen, args=(hears, signals), name="signals", daemon=True)
    listener.start()
    number_before = signal.set_wakeup_fd(tells)
    numbers = [signal.SIGTERM, signal.SIGINT]
    before = {number: signal.signal(number, _noted) for number in numbers}
    if reload:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _noted)
        signal.pthread_sigmask(
            signal.SIG_UNBLOCK, {signal.SIGHUP}
        )  # a signal that came earlier is delivered now
    try:
        yield signals
    finally:
        for number, handler in before.items():
            # Python's shutdown restores every handler but SIG_IGN: a process that exits is not
            # killed.
            signal.signal(number, signal.SIG_IGN if signals.to_stop.is_set() else handler)
        signal.set_wakeup_fd(number_before)
        os.close(tells)
        listener.join()
        os.close(hears)


def _noted(_: int, __: FrameType | None) -> None:
    """Do nothing: that there is a handler has the signal written to the pipe."""


def _listen(pipe: int, signals: SignalEvents) -> None:
    while numbers := os.read(pipe, 1):
        match numbers[0]:
            case signal.SIGHUP:
                signals.to_reload.set()
            case signal.SIGTERM | signal.SIGINT:
                (signals.to_hurry if signals.to_stop.is_set() else signals.to_stop).set()


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Have SIGTERM end the block as Ctrl-C does, by KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
