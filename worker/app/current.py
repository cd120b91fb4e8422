"""The settings in force, and the policy and relay built from them: a reload replaces them."""

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from worker.core.policy import Policy
from worker.core.retention import Retention
from worker.settings import Settings

if TYPE_CHECKING:
    from worker.relay import Relay


class Current:
    """Each attribute is replaced as a whole, and read whenever it is needed."""

    def __init__(self, settings: Settings, relay: "Relay | None" = None) -> None:
        self.settings = settings
        self.policy = settings.as_policy()
        self.log_key = settings.log_key
        """The key of hashes of addresses in log lines, if there are any."""
        self.relay = relay
        self.on_request = False
        """The relay has a lane for removals that a person requested."""
        self.retired: list[Relay] = []
        """Relays that a reload has replaced, with their last delivery still under way."""
        self._delivers = False
        self._delivered_before = 0
        """Effects delivered by relays that were replaced and have ended."""
        self._lock = threading.Lock()
        """Keeps the count of delivered effects from falling while a relay is replaced."""

    def purging(self) -> tuple[Retention, Policy, timedelta]:
        """What a purge goes by: how long what is kept, the policy, how long removals count."""
        settings = self.settings
        within = timedelta(days=settings.suppression.within_days)
        return settings.retention.as_retention(), self.policy, within

    @property
    def failure(self) -> BaseException | None:
        """The error that ended a lane of the relay, if any."""
        return self.relay.failure if self.relay else None

    @property
    def delivered(self) -> int:
        """Effects delivered by the current relay and all former relays."""
        with self._lock:
            return self._delivered_before + sum(relay.delivered for relay in self._relays())

    def start(self) -> None:
        """Begin to deliver; a later relay is started when it replaces this relay."""
        self._delivers = True
        if self.relay:
            self.relay.start()

    def replace(self, relay: "Relay | None", stopping: threading.Event) -> None:
        """Replace the relay, and start the new relay once the old relay has ended.

        While `stopping`, this does not wait for the old relay and does not start the new relay.
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
