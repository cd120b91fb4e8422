"""Letters in the table `quarantine`, gone through page by page."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from worker.letters import Letter, Wanted, Where
from worker.store import Store
from worker.store.quarantine import count_letters, newest_row, read_letters, remove_letters

PAGE = 20
"""Rows; each may hold a megabyte."""


class InQuarantine:
    """What was there at the beginning; nothing is hidden from anybody."""

    where = Where.QUARANTINE

    def __init__(self, store: Store, wanted: Wanted) -> None:
        self.reading_on = False
        self._store = store
        # Of those that are named by an id it is said if they have another reason.
        self._wanted = replace(wanted, reasons=frozenset()) if wanted.message_ids else wanted
        self._last = newest_row(store)
        self._came_to = 0
        self.count = count_letters(store, self._wanted, up_to=self._last)

    def batches(self) -> Iterator[Sequence[Letter]]:
        """Go through those that are meant."""
        while not self.reading_on:
            page = read_letters(
                self._store, self._wanted, after=self._came_to, up_to=self._last, most=PAGE
            )
            if not page:
                return
            self._came_to = page[-1].row_id
            yield page

    def remove(self, letters: Sequence[Letter]) -> None:
        """Delete their rows, in a transaction of its own."""
        if letters:
            remove_letters(self._store, [letter.row_id for letter in letters])

    def undeleted(self) -> int:
        """None: rows are removed, or it is an error."""
        return 0

    def unseen(self) -> int:
        """Count those that are meant and did not come."""
        return count_letters(self._store, self._wanted, after=self._came_to, up_to=self._last)

    def give_back(self) -> None:
        """Nothing is held."""
