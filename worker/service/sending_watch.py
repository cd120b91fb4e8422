"""Knows whether SES sends, for the status and the metrics; SES's state is not the worker's health.

It is read from `account_events`, at the start and every few seconds: several workers may write it.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress

from worker.core.errors import Unavailable
from worker.core.masking import sanitized
from worker.core.parsing import clip
from worker.store import Store
from worker.store.sending import SendingStatus, sending_statuses
from worker.timing.periodic import begin_every

EVERY_SECONDS = 15.0
"""Between two looks."""
MOST_NAMED = 3
_LONGEST_NAME = 85


class SendingWatch:
    """Remembers the newest sending statuses; they stay while the store is unavailable."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.statuses: Sequence[SendingStatus] | None = None
        """None: not read yet."""

    def look(self) -> None:
        """Look once.

        Raises:
            Unavailable: the store is unavailable.

        """
        self.statuses = sending_statuses(self._store)

    @property
    def remark(self) -> str:
        """What the status text says about it; empty: nothing."""
        disabled = [status for status in self.statuses or () if status.is_disabled]
        if not disabled:
            return ""
        names = [clip(sanitized(status.name), _LONGEST_NAME) for status in disabled[:MOST_NAMED]]
        more = len(disabled) - len(names)
        return f"SES does not send for {', '.join(names)}" + (f" and {more:,} more" if more else "")

    def begin(self, stopping: threading.Event) -> None:
        """Go on looking, in a thread of its own."""
        begin_every("sending", EVERY_SECONDS, stopping, self._look_again, at_once=False)

    def _look_again(self) -> None:
        with suppress(Unavailable):
            self.look()
