"""What the two places where letters lie have in common."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from worker.letters import Letter, Where


class Place(Protocol):
    """A place that is gone through once; letters of it are removed on the way, or stay."""

    where: Where
    reading_on: bool
    """Nothing more is done to letters, they are only counted: that must not take long."""

    def batches(self) -> Iterator[Sequence[Letter]]:
        """Go through the letters; each comes once.

        Raises:
            Unavailable, Refused: the far side.

        """

    def remove(self, letters: Sequence[Letter]) -> None:
        """Take letters away for good, for whatever they said is safe elsewhere.

        Raises:
            Unavailable, Refused: the far side.

        """

    def undeleted(self) -> int:
        """Tell how many letters were to be removed and are there all the same."""

    def unseen(self) -> int:
        """Tell how many letters there are that did not come: others hold them, or we left off."""

    def give_back(self) -> None:
        """Let others see what was seen here and stays."""
