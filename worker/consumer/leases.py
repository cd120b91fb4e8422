"""Leases: messages held for more than half of their visibility timeout have it extended.

Messages wait when the store or the dead-letter queue is slow. Once a lease has run out, another
receiver may hold the message, and the receipt handle is not used again: in ChangeMessageVisibility
it would end the lease of the new receiver
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html).
"""

import threading
from collections.abc import Sequence
from functools import partial

import structlog

from worker.core.messages import Received
from worker.sqs.queue import LONGEST_HOLD_SECONDS, Queue, tens
from worker.timing import clock
from worker.timing.deadlines import within
from worker.timing.periodic import every
from worker.timing.retries import unless_over, while_unreachable

LONGEST_TICK_SECONDS = 3.0
"""Longest time between two looks at the leases."""
TICKS = 8
"""Looks at a lease while it lasts; more with a long visibility timeout."""
EXTENDING_SECONDS = 20.0
"""Time limit for a round of extensions: pollers that change what they hold wait for its end."""

log = structlog.get_logger()


class Leases:
    """The messages that each poller holds, and until when. Thread-safe."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._seconds = queue.visibility_seconds
        self._held: dict[int, Sequence[Received]] = {}
        self._until: dict[str, float] = {}
        """The end of leases that were extended or lost, by receipt handle."""
        self._lock = threading.Lock()

    def hold(self, poller: int, messages: Sequence[Received]) -> None:
        """Learn which messages a poller holds now; others that it held are not extended any more.

        Waits for the end of an extension, so that a released message is not hidden again.
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

    def pass_on(self, giver: int, taker: int, messages: Sequence[Received]) -> None:
        """Learn that a poller holds messages now that another held."""
        passed = {id(message) for message in messages}
        with self._lock:
            left = [held for held in self._held.pop(giver, ()) if id(held) not in passed]
            if left:
                self._held[giver] = left
            self._held[taker] = [*self._held.get(taker, ()), *messages]

    def until(self, message: Received) -> float:
        """Return when the lease of a held message runs out, on `worker.timing.clock`."""
        return self._until.get(message.receipt_handle, message.lease_until)

    def lasts(self, message: Received) -> bool:
        """Return whether the lease of a message has not run out."""
        return self.until(message) > clock.now()

    def keep(self, over: threading.Event) -> None:
        """Extend leases in time, until `over` is set."""
        tick = min(LONGEST_TICK_SECONDS, self._seconds / TICKS)
        # With longer pauses leases would run out although SQS is available again.
        again = while_unreachable(unless_over(over), _report, longest=tick)
        every(tick, over, partial(again, self.extend), at_once=False)

    def extend(self) -> None:
        """Extend the leases of which more than half has passed.

        Raises:
            Unavailable, Refused: SQS did not take a call; the leases that are left run out.

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
                self._until[message.receipt_handle] = began  # the lease is lost
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
