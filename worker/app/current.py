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
        self._delivers = False
        self._delivered_before = 0
        """By relays that were replaced and have ended."""
        self._lock = threading.Lock()
        """Of counting, so that what was delivered never falls."""

    @property
    def failure(self) -> BaseException | None:
        """What has ended a lane of the relay, if anything has."""
        return self.relay.failure if self.relay else None

    @property
    def delivered(self) -> int:
        """Effects delivered, by all relays that there were."""
        with self._lock:
            return self._delivered_before + sum(relay.delivered for relay in self._relays())

    def start(self) -> None:
        """Begin to deliver; a relay that comes later is started when it comes."""
        self._delivers = True
        if self.relay:
            self.relay.start()

    def replace(self, relay: "Relay | None", stopping: threading.Event) -> None:
        """Replace the relay, once the old relay has finished its deliveries.

        While `stopping`, the old relay is not waited for, and the new relay starts nothing.
        """
        with self._lock:
            old, self.relay = self.relay, relay
            if old:
                self.retired.append(old)
        if old and old.finish(stopping):
            with self._lock:
                self.retired.remove(old)
                self._delivered_before += old.delivered
        if relay and self._delivers and not stopping.is_set():
            relay.start()

    def stop(self) -> None:
        """Begin no more deliveries."""
        for relay in self._relays():
            relay.stop()

    def finish(self, hurry: threading.Event) -> bool:
        """Stop delivering and wait for running deliveries; return whether they ended in time."""
        ended = True
        for relay in self._relays():
            ended = relay.finish(hurry) and ended
        return ended

    def _relays(self) -> "list[Relay]":
        return [*self.retired, self.relay] if self.relay else [*self.retired]
