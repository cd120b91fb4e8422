"""What the dead-letter queue and the table `quarantine` have in common."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from worker.core.dead_letter import DeadLetterMessage, Where


class Place(Protocol):
    """A place to scan once; dead letters are removed on the way, or stay."""

    where: Where
    only_counting: bool
    """The rest is only counted, which must not take long."""

    def batches(self) -> Iterator[Sequence[DeadLetterMessage]]:
        """Yield the dead letters; each comes once.

        Raises:
            Unavailable, Refused: the queue or the store.

        """

    def remove(self, dead_letters: Sequence[DeadLetterMessage]) -> None:
        """Delete dead letters; their content is safe elsewhere.

        Raises:
            Unavailable, Refused: the queue or the store.

        """

    def undeleted(self) -> int:
        """Return how many deletions failed."""

    def uncounted(self) -> int:
        """Return how many were not examined: others hold them, or the scan ended."""

    def give_back(self) -> None:
        """Release what was received and stays."""
