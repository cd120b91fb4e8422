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
"""Rows in a batch; each may hold a megabyte."""


class InQuarantine:
    """A single scan of the rows that were there at the beginning."""

    where = Where.QUARANTINE

    def __init__(self, store: Store, filter_: DeadLetterFilter) -> None:
        self.only_counting = False
        self._store = store
        # A dead letter named by id is reported if it has another reason, so it must be read.
        self._filter = replace(filter_, reasons=frozenset()) if filter_.message_ids else filter_
        self._last = newest_row(store)
        self._read_to = 0
        self.count = count_dead_letters(store, self._filter, up_to=self._last)

    def batches(self) -> Iterator[Sequence[DeadLetterMessage]]:
        """Yield the selected rows."""
        while not self.only_counting:
            dead_letters = read_dead_letters(
                self._store, self._filter, after=self._read_to, up_to=self._last, most=BATCH_ROWS
            )
            if not dead_letters:
                return
            self._read_to = dead_letters[-1].row_id
            yield dead_letters

    def remove(self, dead_letters: Sequence[DeadLetterMessage]) -> None:
        """Delete their rows, in a transaction."""
        if dead_letters:
            remove_dead_letters(self._store, [dead_letter.row_id for dead_letter in dead_letters])

    def undeleted(self) -> int:
        """Return 0: rows are deleted, or an error is raised."""
        return 0

    def uncounted(self) -> int:
        """Count the selected rows that were not read."""
        return count_dead_letters(self._store, self._filter, after=self._read_to, up_to=self._last)

    def give_back(self) -> None:
        """Do nothing: no row is held."""
