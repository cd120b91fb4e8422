"""Sends dead letters back to their queue, for `dlq replay --to-queue`.

Each is sent before it is removed from where it was. A kill in between leaves two copies, and the
store recognises the second as a duplicate; no dead letter is lost.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from worker.consumer.entries import Failed, entry_by_entry
from worker.core.dead_letter import DeadLetterMessage, size_of
from worker.core.errors import Unavailable
from worker.sqs.dead_letter_queue import SourceQueue
from worker.sqs.queue import LARGEST_BATCH, LARGEST_SENDING_BYTES, FailedEntry
from worker.timing.retries import Sleep, a_few_times


class Send:
    """Sends dead letters, and yields those that the queue accepted."""

    def __init__(self, queue: SourceQueue, pause: Sleep) -> None:
        self.refused: Counter[str] = Counter()
        """Dead letters that the queue refused, by SQS's error code."""
        self.failure: Exception | None = None
        """Why the last batch was not sent: the queue is unavailable."""
        self._queue = queue
        self._again = a_few_times(pause)

    def __call__(
        self, dead_letters: Sequence[DeadLetterMessage]
    ) -> Iterator[Sequence[DeadLetterMessage]]:
        """Send dead letters; yield each batch as soon as it is accepted, so that it can be removed.

        Raises:
            Refused: SQS does not allow the call.

        """
        texts = [dead_letter for dead_letter in dead_letters if _is_text(dead_letter)]
        if unsendable := len(dead_letters) - len(texts):
            self.refused["InvalidMessageContents"] += unsendable
        for batch in in_batches(texts):
            unsent = {dead_letter.message_id for dead_letter in self._send(batch)}
            accepted = [
                dead_letter for dead_letter in batch if dead_letter.message_id not in unsent
            ]
            yield accepted
            if self.failure:
                return

    def _send(self, batch: Sequence[DeadLetterMessage]) -> list[DeadLetterMessage]:
        """Retry entries that SQS failed through its own fault; return those not accepted.

        An entry without an answer may have been accepted. It counts as not accepted and stays where
        it is, so at worst the message is sent twice.
        """

        def refuse(failure: FailedEntry[DeadLetterMessage]) -> None:
            self.refused[failure.code] += 1

        unsent, self.failure = entry_by_entry(batch, self._queue.send, self._again, refuse)
        if isinstance(failed := self.failure, Failed):
            text = f"the queue did not accept {failed.count} of them: {failed.code}"
            self.failure = Unavailable(text)
        return unsent


def in_batches(dead_letters: Iterable[DeadLetterMessage]) -> Iterator[Sequence[DeadLetterMessage]]:
    """Split dead letters into batches that SQS accepts: ten entries, 1 MiB in total."""
    batch: list[DeadLetterMessage] = []
    room = LARGEST_SENDING_BYTES
    for dead_letter in dead_letters:
        size = size_of(dead_letter)
        if batch and (len(batch) == LARGEST_BATCH or size > room):
            yield batch
            batch, room = [], LARGEST_SENDING_BYTES
        batch.append(dead_letter)
        room -= size
    if batch:
        yield batch


def _is_text(dead_letter: DeadLetterMessage) -> bool:
    """Half a surrogate pair can be kept in the table, and cannot be encoded to be sent."""
    try:
        dead_letter.received.body.encode()
    except UnicodeEncodeError:
        return False
    return True
