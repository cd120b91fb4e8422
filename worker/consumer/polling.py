"""Pollers: take permits, long-poll, pass on what came."""

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

import structlog

from worker.consumer.pace import Pace
from worker.consumer.permits import Permits
from worker.errors import Refused, Unavailable
from worker.model import Received
from worker.queue import LARGEST_BATCH, Queue
from worker.retries import a_few_times, while_away

Inbox = SimpleQueue[Sequence[Received] | None]
"""What has been received and not begun; None at the end."""

log = structlog.get_logger()


class _Over(Exception):
    """There is no more reason to wait for the queue."""


class Poller:
    """One of several; its number decides who rests when there is little to do."""

    def __init__(
        self,
        number: int,
        *,
        queue: Queue,
        wait_seconds: int,
        inbox: Inbox,
        permits: Permits,
        pace: Pace,
        stopping: threading.Event,
        give_up: Callable[[Exception], None] | None,
    ) -> None:
        self._number = number
        self._queue = queue
        self._wait_seconds = wait_seconds
        self._inbox = inbox
        self._permits = permits
        self._pace = pace
        self._stopping = stopping
        self._give_up = give_up
        # For as long as it takes, unless somebody waits for us.
        self._again = a_few_times(self._sleep) if give_up else while_away(self._sleep, self._tell)

    def run(self) -> None:
        """Poll until it is over."""
        while self._pace.await_turn(self._number):
            granted = self._permits.reserve(LARGEST_BATCH)
            if not granted:
                return
            messages: Sequence[Received] = ()
            try:
                messages = self._receive(granted)
            except _Over:
                return
            finally:
                self._permits.fill(granted, len(messages))
            if messages:
                self._inbox.put(messages)
            self._pace.received(len(messages))

    def _receive(self, most: int) -> list[Received]:
        try:
            return self._again(self._queue.receive, most, self._wait_seconds)
        except (Unavailable, Refused) as error:
            if self._give_up:
                self._give_up(error)
            raise _Over from error

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise _Over

    def _tell(self, error: BaseException, seconds: float) -> None:
        self._pace.stumbled()
        log.warning(
            "queue.unavailable",
            queue=self._queue.name,
            error=str(error),
            next_try_seconds=round(seconds, 1),
        )
