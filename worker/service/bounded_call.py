"""Bounded calls: a call that may hang runs in a thread of its own, until a deadline or a signal."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from worker.service import shutdown
from worker.service.signals import SignalEvents, caught

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

LOOK_SECONDS = 0.1
"""Time between two looks at the deadline and the signals."""


@contextmanager
def signals_heeded() -> Iterator[SignalEvents]:
    """Catch signals within the block; even if a call hangs, a signal ends the process in time."""
    with caught() as signals:
        shutdown.leave_in_time(
            signals.to_stop, lambda _: None, seconds=shutdown.LONGEST_COMMAND_SECONDS
        )
        yield signals


class Over(Exception):
    """A signal came, or the time is up."""


class Deadline:
    """The end of waiting: a signal, or a point in time."""

    def __init__(
        self,
        signals: SignalEvents | None = None,
        seconds: float | None = None,
        *,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self._signals = signals
        self._look = look
        """Called several times a second during a call or a pause."""
        self._deadline = None if seconds is None else time.monotonic() + seconds

    @property
    def over(self) -> bool:
        """A signal came, or the time is up."""
        stopped = self._signals is not None and self._signals.to_stop.is_set()
        return stopped or self._left() <= 0

    def sleep(self, seconds: float) -> None:
        """Pause.

        Raises:
            Over: a signal came, or the time is up, before the pause ended.

        """
        end = time.monotonic() + min(seconds, self._left())
        while not self.over and (left := end - time.monotonic()) > 0:
            self._look()
            if self._signals is None:
                time.sleep(min(left, LOOK_SECONDS))
            else:
                self._signals.to_stop.wait(min(left, LOOK_SECONDS))
        if self.over:
            raise Over

    def call(
        self,
        function: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Call a function; abandon the call at the deadline or after a signal.

        The function is a transaction or a request to SQS, so nothing is lost with it.

        Raises:
            Over: the call had not returned.

        """
        answer: Future[Result] = Future()

        def work() -> None:
            try:
                answer.set_result(function(*arguments, **named))
            except BaseException as error:  # noqa: BLE001 raised again in the caller
                answer.set_exception(error)

        threading.Thread(target=work, name="bounded-call", daemon=True).start()
        while not answer.done():
            if self.over:
                raise Over
            self._look()
            wait([answer], LOOK_SECONDS)
        return answer.result()

    def _left(self) -> float:
        return float("inf") if self._deadline is None else self._deadline - time.monotonic()
