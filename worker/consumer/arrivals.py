"""Messages between their receive and the writer's answer."""

import time
from collections.abc import Sequence

from worker.errors import Misconfigured, Unavailable
from worker.model import Handled, Received, Release

HELD_SECONDS = 25.0
"""In an outage: longer than any long poll, so that none is under way that would bring back at
once what is let go."""
LEASE_LEFT_SECONDS = 10.0
"""Of their visibility timeout, when they are let go at the latest."""


class Arrival:
    """What one receive has brought, and what has been decided of it so far."""

    def __init__(self, messages: Sequence[Received]) -> None:
        self.left = list(messages)
        """Not written yet."""
        self.handled: list[Handled] = []
        self.begun = False
        leases_end = min(message.lease_until for message in messages) - LEASE_LEFT_SECONDS
        self._until = min(time.monotonic() + HELD_SECONDS, leases_end)

    @property
    def done(self) -> bool:
        """Everything is decided."""
        return not self.left

    @property
    def overdue(self) -> bool:
        """Held long enough for an outage to end."""
        return time.monotonic() >= self._until

    def take(self, handled: Sequence[Handled]) -> None:
        """Learn what became of all that was left; what has met an outage of the books stays."""
        self.begun = True
        self.handled += [one for one in handled if not met_an_outage(one)]
        self.left = [one.received for one in handled if met_an_outage(one)]

    def let_go(self) -> None:
        """Have the rest go back to the queue."""
        self.handled += [Handled(message, Release(0, begun=self.begun)) for message in self.left]
        self.left = []


def met_an_outage(handled: Handled) -> bool:
    """No message is to blame."""
    return isinstance(handled.error, Unavailable | Misconfigured)
