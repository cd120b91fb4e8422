"""The rows of `ses-worker users import`: progress, those that are not valid, the new users."""

import os
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from worker.cli.common import counted, print_message
from worker.commands.csv_users import RefusedRow, read_users
from worker.core.errors import Unavailable
from worker.store.answers import newest_user, with_events

if TYPE_CHECKING:
    from worker.cli.progress import Progress
    from worker.store import Store
    from worker.store.users import Imported

MOST_REFUSED_ROWS_SHOWN = 20
"""Invalid rows that are printed, unless all of them are."""


MOST_NEW_USERS_SHOWN = 20
"""New users with events that are named; the others are counted."""


class RefusedRows:
    """Counts invalid rows, and prints the first of them."""

    def __init__(self, *, show_all: bool) -> None:
        self.count = 0
        self._most = None if show_all else MOST_REFUSED_ROWS_SHOWN

    def sorted_out(self, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
        """Yield the valid rows."""
        for row in read_users(lines):
            if isinstance(row, RefusedRow):
                self.count += 1
                if self._most is None or self.count <= self._most:
                    print_message(f"line {row.line}: {row.reason}")
            else:
                yield row

    def conclude(self) -> None:
        """Print how many invalid rows were not printed."""
        if self._most is not None and self.count > self._most:
            more = self.count - self._most
            rows = "row is" if more == 1 else "rows are"
            print_message(f"and {more:,} more {rows} refused; --json lists them all")


class NewUsers:
    """The users that an import creates."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._newest_before = newest_user(store)

    def show(self, counts: "Imported") -> None:
        """Report about how many of them something was on record, and what was done with it."""
        if counts.forgotten:
            users = counted(counts.forgotten, "new user was", "new users were")
            stays = "stays" if counts.forgotten == 1 else "stay"
            print_message(
                f"{users} forgotten before, and {stays} blocked or paused if that was kept "
                "(ses-worker users check ADDRESS, or users list --blocked and --paused)"
            )
        if not counts.with_events:
            return
        users = counted(counts.with_events, "new user")
        if not counts.folded:
            done = "which count for nothing now; look before you mail them"
        else:
            barred = counted(counts.barred, "of them is", "of them are")
            done = f"from which their records were made: {barred} paused or blocked now"
        print_message(
            f"{users} with bounces or complaints on record, {done} (ses-worker why ADDRESS)"
            f"{self._names(counts)}"
        )

    def _names(self, counts: "Imported") -> str:
        """Name the first of them."""
        try:
            found = with_events(self._store, self._newest_before, counts.created)
        except Unavailable:
            return ""
        shown = ", ".join(found[:MOST_NEW_USERS_SHOWN])
        left = len(found) - MOST_NEW_USERS_SHOWN
        return f": {shown}" + (f" and {left:,} more" if left > 0 else "")


def with_progress(file: IO[str], progress: "Progress") -> Iterator[str]:
    """Yield the lines of a file, and show how far it was read."""
    total = os.fstat(file.fileno()).st_size or None
    done = 0
    for number, line in enumerate(file):
        yield line
        done += len(line)
        if number % 1_000 == 0:
            progress.update(done, total)
    progress.update(total or done, total)
