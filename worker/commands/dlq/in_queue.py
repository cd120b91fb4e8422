"""Dead letters in the dead-letter queue: receiving hides them, so those that stay are released.

Receiving is the only way to look at messages in SQS. Received messages are remembered by their id,
so that none is processed twice, however long the scan takes. Those that stay in the queue are made
visible again at the end.
"""

import time
from collections.abc import Iterator, Sequence

import structlog
from msgspec.structs import replace

from worker.consumer import EMPTY_RECEIVES
from worker.consumer.entries import in_tens
from worker.core.dead_letter import DeadLetterMessage, Where
from worker.core.errors import Refused
from worker.core.messages import Received
from worker.service.signals import SignalEvents
from worker.sqs.dead_letter_queue import HIDDEN_SECONDS, DeadLetterQueue
from worker.sqs.queue import LARGEST_BATCH, POLL_SECONDS, Counts, FailedEntry
from worker.timing import clock
from worker.timing.retries import a_few_times

READ_ON_SECONDS = 30
"""Time limit in seconds for counting dead letters that will not be processed."""

log = structlog.get_logger()


class InQueue:
    """A single scan of a dead-letter queue."""

    where = Where.DEAD_LETTER_QUEUE

    def __init__(
        self,
        queue: DeadLetterQueue,
        signals: SignalEvents,
        *,
        wait_seconds: float = 0,
        most: int | None = None,
        seconds: float | None = None,
    ) -> None:
        self.only_counting = False
        self.examined = 0
        """How many distinct dead letters were received."""
        self.left_off = False
        """The scan ended before it had received all dead letters."""
        self._queue = queue
        self._signals = signals
        self._again = a_few_times(signals.pause)
        self._wait_seconds = wait_seconds
        self._most = most
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._held: dict[str, Received] = {}
        """Dead letters still in the queue, by id; with their latest receipt handle, no body."""
        self._done: set[str] = set()
        """Ids of dead letters whose deletion was requested; it may have failed."""
        self._empty_in_a_row = 0
        """Empty receives."""
        self._known_in_a_row = 0
        """Receives of dead letters that were all received before."""

    def batches(self) -> Iterator[Sequence[DeadLetterMessage]]:
        """Receive until nothing new comes; wait for messages that others may still release."""
        quiet_since = time.monotonic()
        while not self._must_end():
            new = self._receive()
            if new:
                quiet_since = time.monotonic()
                yield new
            elif self._is_complete() and (
                not self.uncounted() or time.monotonic() - quiet_since >= self._wait_seconds
            ):
                return

    def remove(self, dead_letters: Sequence[DeadLetterMessage]) -> None:
        """Delete dead letters; those that fail are deleted when they are received again."""
        self._delete([self._held[dead_letter.message_id] for dead_letter in dead_letters])

    def undeleted(self) -> int:
        """Return how many dead letters could not be deleted so far."""
        return len(self._done & self._held.keys())

    def uncounted(self) -> int:
        """Return how many are in the queue by SQS's counts, less those that were examined."""
        return max(0, self.counts().total - len(self._held))

    def counts(self) -> Counts:
        """Return SQS's counts."""
        counts: Counts = self._again(self._queue.counts)
        return counts

    def give_back(self) -> None:
        """Make the remaining dead letters visible again, in batches.

        Skip those whose lease has ended: another receiver may hold them by now.
        """
        left = [received for received in self._held.values() if _is_leased(received)]
        self._held.clear()
        while left and not self._signals.to_hurry.is_set():
            ours = [received for received in left[:LARGEST_BATCH] if _is_leased(received)]
            try:
                failed, _ = in_tens("release", ours, self._release, self._again)
            except Refused as refused:
                log.warning("dead_letters.hidden", error=str(refused))
                break
            if ours and len(failed) == len(ours):
                break  # SQS is unavailable: the next batch would fail, too
            left = left[LARGEST_BATCH:]
        if left:  # they become visible when their visibility timeout ends
            log.warning("dead_letters.hidden", count=len(left), seconds=HIDDEN_SECONDS)

    def _receive(self) -> list[DeadLetterMessage]:
        """Long-poll; return the dead letters received for the first time."""
        dead_letters: list[DeadLetterMessage] = self._again(self._queue.look, self._batch_size())
        new = {
            dead_letter.message_id: dead_letter
            for dead_letter in dead_letters
            if not self._is_known(dead_letter.message_id)
        }
        for dead_letter in dead_letters:
            self._held[dead_letter.message_id] = replace(
                dead_letter.received, body="", attributes={}
            )
        if again := {dead_letter.message_id for dead_letter in dead_letters} & self._done:
            self._delete([self._held[message_id] for message_id in again])
        self.examined += len(new)
        self._empty_in_a_row = 0 if dead_letters else self._empty_in_a_row + 1
        self._known_in_a_row = self._known_in_a_row + 1 if dead_letters and not new else 0
        return list(new.values())

    def _is_known(self, message_id: str) -> bool:
        return message_id in self._held or message_id in self._done

    def _is_complete(self) -> bool:
        """Return whether the scan has probably received all dead letters.

        Dead letters that stay become visible again during the scan, and may be received before new
        dead letters.
        """
        if self._empty_in_a_row >= EMPTY_RECEIVES:
            return True
        if self._known_in_a_row <= len(self._held) / LARGEST_BATCH:
            return False
        self._known_in_a_row = 0
        self._signals.pause(POLL_SECONDS)
        return True

    def _must_end(self) -> bool:
        if self.only_counting and self._deadline is None:
            self._deadline = time.monotonic() + READ_ON_SECONDS
        late = self._deadline is not None and time.monotonic() >= self._deadline
        self.left_off = late or self._batch_size() == 0
        return self.left_off or self._signals.to_stop.is_set()

    def _batch_size(self) -> int:
        return (
            LARGEST_BATCH if self._most is None else min(LARGEST_BATCH, self._most - self.examined)
        )

    def _delete(self, messages: Sequence[Received]) -> None:
        """Delete messages whose lease lasts; others may be held by another receiver."""
        ours = [received for received in messages if _is_leased(received)]
        failed, _ = in_tens("delete", ours, self._queue.delete, self._again)
        self._done |= {received.message_id for received in messages}
        kept = {received.message_id for received in failed}
        kept |= {received.message_id for received in messages if not _is_leased(received)}
        for received in messages:
            if received.message_id not in kept:
                self._held.pop(received.message_id, None)
        if kept:
            log.warning("dead_letters.not_deleted", count=len(kept))

    def _release(self, messages: Sequence[Received]) -> list[FailedEntry[Received]]:
        return self._queue.release(messages, [0] * len(messages))


def _is_leased(received: Received) -> bool:
    return received.lease_until > clock.now()
