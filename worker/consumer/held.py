"""Messages that have met an outage of the books."""

import time
from collections.abc import Sequence

from worker.model import Handled, Received

HELD_SECONDS = 25.0
"""Longer than any long poll: none is under way any more that would bring back what is let go."""
LEASE_LEFT_SECONDS = 10.0
"""Of their visibility timeout, when they are let go at the latest."""


class Held:
    """Held until the outage is over, for it may be short, or until they have to go back."""

    def __init__(self, stuck: Sequence[Handled]) -> None:
        self._stuck = stuck
        leases_end = min(one.received.lease_until for one in stuck) - LEASE_LEFT_SECONDS
        self._until = min(time.monotonic() + HELD_SECONDS, leases_end)

    def is_due(self) -> bool:
        """They have been held long enough."""
        return bool(self._stuck) and time.monotonic() >= self._until

    def let_go(self) -> Sequence[Handled]:
        """Have them no more."""
        stuck, self._stuck = self._stuck, ()
        return stuck

    def messages(self) -> list[Received]:
        """Tell those that are still held."""
        return [one.received for one in self._stuck]
