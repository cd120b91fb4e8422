"""Dead letters in the table `quarantine`, read batch by batch."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from worker.core.dead_letter import DeadLetterFilter, DeadLetterMessage, Where
from worker.store import Store
from worker.store.quarantine import (
    count_dead_letters,
    newest_row,
    read_dead_letters,
    remove_dead_letters,
)

BATCH_ROWS = 20
"""Rows; each may hold a megabyte."""


class InQuarantine:
    """What was there at the beginning; nothing is hidden from anybody."""

    where = Where.QUARANTINE

    def __init__(self, store: Store, filter_: DeadLetterFilter) -> None:
        self.only_counting = False
        self._store = store
        # Dead letters named by an id are reported if they have another reason.
        self._filter = replace(filter_, reasons=frozenset()) if filter_.message_ids else filter_
        self._last = newest_row(store)
        self._came_to = 0
        self.count = count_dead_letters(store, self._filter, up_to=self._last)

    def batches(self) -> Iterator[Sequence[DeadLetterMessage]]:
        """Go through those that are meant."""
        while not self.only_counting:
            dead_letters = read_dead_letters(
                self._store, self._filter, after=self._came_to, up_to=self._last, most=BATCH_ROWS
            )
            if not dead_letters:
                return
            self._came_to = dead_letters[-1].row_id
            yield dead_letters

    def remove(self, dead_letters: Sequence[DeadLetterMessage]) -> None:
        """Delete their rows, in a transaction of its own."""
        if dead_letters:
            remove_dead_letters(self._store, [dead_letter.row_id for dead_letter in dead_letters])

    def undeleted(self) -> int:
        """None: rows are removed, or it is an error."""
        return 0

    def uncounted(self) -> int:
        """Count those that are meant and did not come."""
        return count_dead_letters(self._store, self._filter, after=self._came_to, up_to=self._last)

    def give_back(self) -> None:
        """Nothing is held."""
