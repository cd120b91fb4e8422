"""The interface of both places: the dead-letter queue and the table `quarantine`."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from worker.core.dead_letter import DeadLetterMessage, Where


class Place(Protocol):
    """A place to scan once; dead letters are removed during the scan, or stay."""

    where: Where
    only_counting: bool
    """The rest is only counted, within a time limit."""

    def batches(self) -> Iterator[Sequence[DeadLetterMessage]]:
        """Yield the dead letters, each once.

        Raises:
            Unavailable, Refused: the queue or the store.

        """

    def remove(self, dead_letters: Sequence[DeadLetterMessage]) -> None:
        """Delete dead letters; their content is stored elsewhere, or not needed.

        Raises:
            Unavailable, Refused: the queue or the store.

        """

    def undeleted(self) -> int:
        """Return how many deletions failed."""

    def uncounted(self) -> int:
        """Return how many were not examined: others hold them, or the scan ended."""

    def give_back(self) -> None:
        """Release the received dead letters that stay."""
