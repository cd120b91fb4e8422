"""Signals: the first SIGTERM or SIGINT means stop, the second hurry. SIGHUP means reload."""

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
        """Pause; end early when a stop is requested."""
        self.to_stop.wait(seconds)


@contextmanager
def caught(*, reload: bool = False) -> Iterator[SignalEvents]:
    """Catch the signals within the block; restore the handlers afterwards, if no signal came.

    A thread reads signals from a pipe that Python's own handler writes to. So signals are noticed
    while the main thread hangs in a call, and no event is set by a handler that interrupts a wait
    for the same event.

    SIGHUP is caught only with `reload`; it ends other commands, as a closed terminal should.
    """
    signals = SignalEvents(threading.Event(), threading.Event())
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    listener = threading.Thread(target=_listen, args=(reader, signals), name="signals", daemon=True)
    listener.start()
    wakeup_before = signal.set_wakeup_fd(writer)
    numbers = [signal.SIGTERM, signal.SIGINT]
    before = {number: signal.signal(number, _ignore) for number in numbers}
    if reload:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, _ignore)
        # A SIGHUP that came earlier is delivered now.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    try:
        yield signals
    finally:
        for number, handler in before.items():
            # After a stop ignore signals, so that none kills the exiting process: Python's shutdown
            # restores all handlers but SIG_IGN.
            signal.signal(number, signal.SIG_IGN if signals.to_stop.is_set() else handler)
        signal.set_wakeup_fd(wakeup_before)
        os.close(writer)
        listener.join()
        os.close(reader)


def _ignore(_: int, __: FrameType | None) -> None:
    """Do nothing: Python writes the signal to the pipe because there is a handler."""


def _listen(pipe: int, signals: SignalEvents) -> None:
    while numbers := os.read(pipe, 1):
        match numbers[0]:
            case signal.SIGHUP:
                signals.to_reload.set()
            case signal.SIGTERM | signal.SIGINT:
                (signals.to_hurry if signals.to_stop.is_set() else signals.to_stop).set()


@contextmanager
def as_interrupts() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, by KeyboardInterrupt."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
