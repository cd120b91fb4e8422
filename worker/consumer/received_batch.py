"""Messages between their receive and the writer's answer."""

from collections.abc import Sequence

from worker.core.model import Handled, Received, Release
from worker.timing import clock

HELD_SECONDS = 25.0
"""In an outage: longer than any long poll, so that none is under way that would bring back at
once what is let go."""
LEASE_LEFT_SECONDS = 10.0
"""Of their visibility timeout, when they are let go at the latest."""


class ReceivedBatch:
    """The messages of a single receive, and what was decided of them so far."""

    def __init__(self, messages: Sequence[Received]) -> None:
        self.left = list(messages)
        """Not written yet."""
        self.handled: list[Handled] = []
        self.begun = False
        leases_end = min(message.lease_until for message in messages) - LEASE_LEFT_SECONDS
        self._until = min(clock.now() + HELD_SECONDS, leases_end)

    @property
    def done(self) -> bool:
        """Everything is decided."""
        return not self.left

    @property
    def overdue(self) -> bool:
        """Held long enough for an outage to end."""
        return clock.now() >= self._until

    def take(self, handled: Sequence[Handled]) -> None:
        """Learn what became of the first of what was left; what has met an outage stays."""
        self.begun = True
        again = [result.received for result in handled if result.error and result.met_an_outage]
        self.handled += (
            [result for result in handled if not result.met_an_outage] if again else handled
        )
        self.left = again + self.left[len(handled) :]

    def let_go(self, after: float) -> None:
        """Release the rest to the queue, to be received again after so many seconds."""
        release = Release(after, begun=self.begun)
        self.handled += [Handled(message, release) for message in self.left]
        self.left = []
