"""What a replay does with `--to-queue`: letters go back to the queue they were meant for.

Each is sent before it is removed from where it lies. Whoever is killed in between leaves a second
copy, which the books will know; never none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from worker.consumer.entries import Failed, entry_by_entry
from worker.dead_letter_queue import LARGEST_SENDING_BYTES, SourceQueue
from worker.errors import Unavailable
from worker.letters import Letter, size_of
from worker.queue import LARGEST_BATCH, Unsettled
from worker.retries import Sleep, a_few_times


class Send:
    """Sends letters, and tells which of them the queue has accepted."""

    def __init__(self, queue: SourceQueue, pause: Sleep) -> None:
        self.refused: Counter[str] = Counter()
        """Letters that the queue will not take, by SQS's code."""
        self.failure: Exception | None = None
        """The queue is away."""
        self._queue = queue
        self._again = a_few_times(pause)

    def __call__(self, letters: Sequence[Letter]) -> Iterator[Sequence[Letter]]:
        """Send them; hand each batch over as soon as it is accepted, so that it can be removed.

        Raises:
            Refused: the queue takes nothing.

        """
        texts = [letter for letter in letters if _is_text(letter)]
        if halves := len(letters) - len(texts):
            self.refused["InvalidMessageContents"] += halves
        for batch in in_batches(texts):
            unsent = {letter.message_id for letter in self._send(batch)}
            accepted = [letter for letter in batch if letter.message_id not in unsent]
            yield accepted
            if self.failure:
                return

    def _send(self, batch: Sequence[Letter]) -> list[Letter]:
        """Send again what failed through no fault of ours; return what was not accepted.

        Of what gets no answer nobody knows whether it was: it stays, and comes twice at worst.
        """

        def refuse(one: Unsettled[Letter]) -> None:
            self.refused[one.code] += 1

        unsent, self.failure = entry_by_entry(batch, self._queue.send, self._again, refuse)
        if isinstance(failed := self.failure, Failed):
            said = f"the queue did not take {failed.count} of them: {failed.code}"
            self.failure = Unavailable(said)
        return unsent


def in_batches(letters: Iterable[Letter]) -> Iterator[Sequence[Letter]]:
    """Share letters out, in order, to batches that SQS takes: ten entries, a mebibyte in all."""
    batch: list[Letter] = []
    room = LARGEST_SENDING_BYTES
    for letter in letters:
        size = size_of(letter)
        if batch and (len(batch) == LARGEST_BATCH or size > room):
            yield batch
            batch, room = [], LARGEST_SENDING_BYTES
        batch.append(letter)
        room -= size
    if batch:
        yield batch


def _is_text(letter: Letter) -> bool:
    """Half a surrogate pair may lie in the table, and cannot travel."""
    try:
        letter.received.body.encode()
    except UnicodeEncodeError:
        return False
    return True
