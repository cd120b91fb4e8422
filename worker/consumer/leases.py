"""Leases: what is held for longer than half of its visibility timeout has it extended.

A message waits when the store is slow, or a dead-letter queue. Once its lease has run out it may be
somebody else's, and its receipt handle is not used again: a stale handle in ChangeMessageVisibility
would take it from its new receiver
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html).
"""

import threading
from collections.abc import Sequence
from contextlib import suppress

import structlog

from worker.core.errors import Stopped
from worker.core.model import Received
from worker.sqs.queue import LONGEST_HOLD_SECONDS, Queue, tens
from worker.timing import clock
from worker.timing.deadlines import within
from worker.timing.retries import unless_over, while_unreachable

LONGEST_TICK_SECONDS = 3.0
TICKS = 8
"""Looks at a lease while it lasts."""
EXTENDING_SECONDS = 20.0
"""For one round of extensions: whoever changes what it holds waits for the end of it."""

log = structlog.get_logger()


class Leases:
    """What each poller holds, and until when. Thread-safe."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._seconds = queue.visibility_seconds
        self._held: dict[int, Sequence[Received]] = {}
        self._until: dict[str, float] = {}
        """By receipt handle; of those that were extended, or are known to be lost."""
        self._lock = threading.Lock()

    def hold(self, poller: int, messages: Sequence[Received]) -> None:
        """Learn what a poller holds now; what it held before and is not among it is let go.

        Waits for an extension under way, so that none comes after a release.
        """
        with self._lock:
            before = self._held.pop(poller, ())
            if messages:
                self._held[poller] = messages
            if self._until:
                kept = {message.receipt_handle for message in messages}
                for message in before:
                    if message.receipt_handle not in kept:
                        self._until.pop(message.receipt_handle, None)

    def until(self, message: Received) -> float:
        """Return when the lease of a message that is held runs out, on `worker.timing.clock`."""
        return self._until.get(message.receipt_handle, message.lease_until)

    def lasts(self, message: Received) -> bool:
        """Return whether a message is still ours."""
        return self.until(message) > clock.now()

    def keep(self, over: threading.Event) -> None:
        """Extend whatever needs it, until it is over."""
        pause = unless_over(over)
        again = while_unreachable(pause, _report)
        with suppress(Stopped):
            while True:
                pause(min(LONGEST_TICK_SECONDS, self._seconds / TICKS))
                again(self.extend)

    def extend(self) -> None:
        """Extend the leases of which more than half has passed.

        Raises:
            Unavailable, Refused: SQS would not; those that were not extended run out.

        """
        with within(EXTENDING_SECONDS):
            for poller in list(self._held):
                with self._lock:
                    waiting = [item for item in self._held.get(poller, ()) if self._is_due(item)]
                    for some in tens(waiting):
                        self._extend(some)

    def _is_due(self, message: Received) -> bool:
        now, until = clock.now(), self.until(message)
        received = message.lease_until - self._seconds
        may_last = now + self._seconds <= received + LONGEST_HOLD_SECONDS
        return now < until < now + self._seconds / 2 and may_last

    def _extend(self, messages: Sequence[Received]) -> None:
        began = clock.now()
        failed = {id(item.item): item for item in self._queue.extend(messages)}
        for message in messages:
            failure = failed.get(id(message))
            if failure is None:
                self._until[message.receipt_handle] = began + self._seconds
            elif not failure.again:
                self._until[message.receipt_handle] = began  # it is not ours any more
                name = message.message_id
                log.warning(
                    "message.entry_failed", call="extend", message_id=name, code=failure.code
                )
        log.info(
            "message.visibility_extended", count=len(messages) - len(failed), seconds=self._seconds
        )


def _report(error: BaseException, seconds: float) -> None:
    log.warning(
        "message.visibility_not_extended", error=str(error), next_try_seconds=round(seconds, 1)
    )
