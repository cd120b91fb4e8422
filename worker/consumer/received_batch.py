"""The messages of a poller, from their receive until they are written."""

from collections.abc import Sequence

from worker.core.messages import Handled, Received, Release
from worker.timing import clock

HELD_SECONDS = 25.0
"""How long messages are held in an outage: longer than any long poll, so that none is under way
that would receive the released messages at once."""
LEASE_LEFT_SECONDS = 10.0
"""Messages are released at the latest when this much of their visibility timeout is left."""


class ReceivedBatch:
    """The messages that a poller writes together, and those of them that are decided."""

    def __init__(self, messages: Sequence[Received]) -> None:
        self.left = list(messages)
        """Messages not decided yet."""
        self.handled: list[Handled] = []
        self.begun = False
        """A write was tried."""
        leases_end = min(message.lease_until for message in messages) - LEASE_LEFT_SECONDS
        self._until = min(clock.now() + HELD_SECONDS, leases_end)

    @property
    def done(self) -> bool:
        """All messages are decided."""
        return not self.left

    @property
    def overdue(self) -> bool:
        """The messages must be released: the outage takes too long."""
        return clock.now() >= self._until

    def take(self, handled: Sequence[Handled]) -> None:
        """Learn the results of the first messages; those that met an outage are left."""
        self.begun = True
        again = [result.received for result in handled if result.error and result.met_an_outage]
        self.handled += (
            [result for result in handled if not result.met_an_outage] if again else handled
        )
        self.left = again + self.left[len(handled) :]

    def release(self, after: float) -> None:
        """Decide to release the remaining messages; they become visible after so many seconds."""
        disposition = Release(after, begun=self.begun)
        self.handled += [Handled(message, disposition) for message in self.left]
        self.left = []
