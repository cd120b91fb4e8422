"""Finds removals that a person requested, in a worker that has no lane for them yet.

They are rare, so a worker gets the lane only once there are some.
"""

import threading
from contextlib import suppress

import structlog

from worker.app import make_relay
from worker.app.current import Current
from worker.core.effects import ASKED_REMOVALS
from worker.core.errors import Stopped, Unavailable
from worker.observability.health import Health
from worker.store import Store
from worker.store.unfinished import ANY
from worker.timing.periodic import begin_every

EVERY_SECONDS = 15.0
"""Between two looks of a worker."""

log = structlog.get_logger()


class AskedRemovals:
    """Gives the relay a lane for them, once there are some."""

    def __init__(self, store: Store, current: Current, health: Health) -> None:
        self._store = store
        self._current = current
        self._health = health
        self._found = threading.Event()

    def begin(self, stopping: threading.Event) -> None:
        """Look for them every few seconds, in a thread of its own, until there are some."""
        begin_every("asked-removals", EVERY_SECONDS, stopping, self._look)

    def serve(self, stopping: threading.Event) -> None:
        """Replace the relay, if some were found; for the thread that also reloads."""
        if not self._found.is_set() or self._current.on_request:
            return
        self._current.on_request = True
        relay = make_relay(self._current.settings, self._store, self._health, on_request=True)
        self._current.replace(relay, stopping)
        log.info("asked_removals.found", lane=ASKED_REMOVALS)

    def _look(self) -> None:
        with suppress(Unavailable):
            if any(self._store.ask(ANY, lane=ASKED_REMOVALS)[0]):
                self._found.set()
                raise Stopped
