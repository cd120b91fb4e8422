"""What is in force, where it can change while the worker works."""

import threading
from typing import TYPE_CHECKING

from worker.settings import Settings

if TYPE_CHECKING:
    from worker.relay import Relay


class Current:
    """Settings, and what is made of them. Each is replaced whole, and read where it is needed."""

    def __init__(self, settings: Settings, relay: "Relay | None" = None) -> None:
        self.settings = settings
        self.policy = settings.as_policy()
        self.relay = relay
        self.retired: list[Relay] = []
        """Relays that a reload has replaced, and whose last delivery was still under way."""

    @property
    def failure(self) -> BaseException | None:
        """What has ended a lane of the relay, if anything has."""
        return self.relay.failure if self.relay else None

    def stop(self) -> None:
        """Begin no more deliveries."""
        if self.relay:
            self.relay.stop()

    def finish(self, hurry: threading.Event) -> bool:
        """Stop delivering, and wait for what is under way; tell whether all of it ended in time."""
        ended = True
        for relay in filter(None, [*self.retired, self.relay]):
            ended = relay.finish(hurry) and ended
        return ended
