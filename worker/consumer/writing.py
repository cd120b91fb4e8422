"""The writer: one thread, one transaction for whatever has arrived, up to a bound."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty

import structlog

from worker.consumer.held import Held
from worker.consumer.pace import Pace
from worker.consumer.polling import Inbox
from worker.consumer.settling import Outgoing
from worker.consumer.tally import Tally
from worker.errors import Misconfigured, Unavailable
from worker.model import Delete, Handled, Outcome, Received, Release
from worker.retries import back_off, while_away

LARGEST_COMMIT = 200
"""Messages in one transaction: enough to make an fsync cheap, few enough to keep it short."""

log = structlog.get_logger()


class _Over(Exception):
    """There is no more reason to wait for the books."""


class Writer:
    """Takes batches from bytes to commit, and sees that the books are there to commit to."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        outgoing: Outgoing,
        process: Callable[[Sequence[Received]], list[Handled]],
        tell: Callable[[Handled], None],
        probe: Callable[[], None],
        tally: Tally,
        pace: Pace,
        stopping: threading.Event,
        give_up: Callable[[Exception], None] | None,
    ) -> None:
        self._inbox = inbox
        self._outgoing = outgoing
        self._process = process
        self._tell = tell
        self._probe = probe
        self._tally = tally
        self._pace = pace
        self._stopping = stopping
        self._give_up = give_up
        self._closed = False
        self._failures = 0
        self._waiting: list[Received] = []
        """Came while the books were away, and not begun."""

    def run(self) -> None:
        """Write until the pollers have ended and nothing is left."""
        while batch := self._next():
            if self._stopping.is_set():
                self._hand_back(batch)
            else:
                self._write(batch)

    def _next(self) -> list[Received]:
        """Wait for messages; take those that are there, up to the bound. None left: an end."""
        batch, self._waiting = self._waiting, []
        while not self._closed and len(batch) < LARGEST_COMMIT:
            try:
                messages = self._inbox.get(block=not batch)
            except Empty:
                break
            if messages is None:
                self._closed = True
            else:
                batch += messages
        return batch

    def _write(self, batch: Sequence[Received]) -> None:
        self._tally.begun(len(batch))
        while batch:
            handled = self._process(batch)
            stuck = [one for one in handled if _met_an_outage(one)]
            if not stuck:
                self._failures = 0
                self._settle(handled)
                return
            self._settle([one for one in handled if not _met_an_outage(one)])
            batch = self._outlast(stuck)

    def _settle(self, handled: Sequence[Handled]) -> None:
        """The handled are on their way before they are spoken of: nobody waits for a log."""
        self._tally.ended(_outcomes(handled))
        self._outgoing.put(handled)
        for one in handled:
            self._tell(one)

    def _outlast(self, stuck: Sequence[Handled]) -> list[Received]:
        """Wait until the books are there again; return what is to be tried again.

        Nothing is received meanwhile, so an outage, however long, costs a message one receive.
        """
        log.error("store.unavailable", error=str(stuck[0].error))
        self._failures += 1
        self._pace.halt()
        held = Held(stuck)
        started = time.monotonic()
        try:
            if self._give_up and stuck[0].error:
                self._give_up(stuck[0].error)
            self._pass_time(held, back_off(self._failures))
            while_away(partial(self._pass_time, held), _tell_again)(self._look)
        except _Over:
            self._settle(held.let_go())
            return []
        log.info("store.available", away_seconds=round(time.monotonic() - started, 1))
        self._pace.go_on()
        return held.messages()

    def _look(self) -> None:
        try:
            self._probe()
        except Misconfigured as error:  # it was well when we started, so it may be so again
            raise Unavailable(str(error)) from error

    def _pass_time(self, held: Held, seconds: float) -> None:
        """Take in what still arrives; let go of what is held when it has been held long enough."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._closed or self._stopping.is_set():
                raise _Over
            if held.is_due():
                self._settle(held.let_go())
                self._hand_back(self._waiting)
                self._waiting = []
            with suppress(Empty):
                messages = self._inbox.get(timeout=min(left, 0.2))
                self._closed = messages is None
                self._waiting += messages or ()

    def _hand_back(self, messages: Iterable[Received]) -> None:
        self._outgoing.put(Handled(message, Release(0, begun=False)) for message in messages)


def _met_an_outage(handled: Handled) -> bool:
    return isinstance(handled.error, Unavailable | Misconfigured)


def _tell_again(error: BaseException, seconds: float) -> None:
    log.warning("store.unavailable", error=str(error), next_try_seconds=round(seconds, 1))


def _outcomes(handled: Iterable[Handled]) -> list[Outcome]:
    """Those that are certain now; a dead letter has to be accepted first."""
    found = []
    for one in handled:
        match one.disposition:
            case Delete(outcome):
                found.append(outcome)
            case Release():
                found.append(Outcome.DEFERRED)
    return found
