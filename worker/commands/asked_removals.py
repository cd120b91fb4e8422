"""Takes addresses off SES's suppression list at once, for the command that requested it.

The removals were enqueued when the reinstatement was committed. A worker that finds them does them,
too: each is claimed by one of the two.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from worker.app.effects import suppression_lane
from worker.core.effects import (
    ASKED_REMOVALS,
    Blocked,
    Delivery,
    Effect,
    Later,
    OutboxEntry,
)
from worker.core.errors import Stopped
from worker.observability.health import Health
from worker.relay import Relay, WaitBudget
from worker.settings import Settings
from worker.store import Store
from worker.store.outbox import Outbox
from worker.store.outbox_list import State, finished_of

IDLE_SECONDS = 30.0
"""How long nothing may get done, since another process is at work for example, before the rest is
left to a worker."""
MOST_FAILURES = 3
"""Tries in a row for which SES could not be reached, before the rest is left to a worker."""
_LOOK_SECONDS = 0.2
_FEW = 100


class Progress(Struct, frozen=True, kw_only=True):
    """What became of the removals."""

    results: Mapping[int, str]
    """By outbox id: the result of each that is over, with its outcome before a colon."""
    outcomes: Mapping[str, int]
    """How many had which outcome."""
    parked: int
    """They cannot be done."""
    waiting: int
    """They stay in the outbox, and are done by the next worker or drain."""
    error: str
    """Why they wait, if that is known."""


Watch = Callable[[Progress], None]


class Delivering:
    """Delivers removals that were requested until they are over, or cannot be done now."""

    def __init__(self, settings: Settings, store: Store, ids: Sequence[int]) -> None:
        self._store = store
        self._ids = ids
        self._finished: dict[int, tuple[State, str]] = {}
        self._error = ""
        self._failures = 0
        wait_budget = WaitBudget()
        lane = suppression_lane(settings, store, wait_budget, ASKED_REMOVALS)
        self._deliver = lane.deliver
        self._over = wait_budget.over
        lanes = [replace(lane, deliver=self._deliver_unless_blocked)]
        self._relay = Relay(Outbox(store), lanes, wait_budget, Health())

    def until_over(self, watch: Watch) -> Progress:
        """Deliver, and return what became of the removals.

        An interrupt ends it early; what is not done stays in the outbox.

        Raises:
            Unavailable: the store is unavailable; the removals stay in the outbox.

        """
        self._relay.start()
        try:
            self._wait(watch)
        except KeyboardInterrupt:
            self._error = "interrupted"
        finally:
            self._relay.finish()
        return self._look()

    def _wait(self, watch: Watch) -> None:
        moved_at, before = time.monotonic(), -1
        while not (self._over.is_set() or self._relay.failure):
            progress = self._look()
            watch(progress)
            now = time.monotonic()
            if progress.waiting != before:
                moved_at, before = now, progress.waiting
            if not progress.waiting or now - moved_at > IDLE_SECONDS:
                return
            self._over.wait(_LOOK_SECONDS if progress.waiting < _FEW else 10 * _LOOK_SECONDS)

    def _look(self) -> Progress:
        waiting = [number for number in self._ids if number not in self._finished]
        self._finished.update(finished_of(self._store, waiting))
        delivered = [text for state, text in self._finished.values() if state is State.DELIVERED]
        return Progress(
            results={number: text for number, (_, text) in self._finished.items()},
            outcomes=Counter(text.partition(":")[0] for text in delivered),
            parked=len(self._finished) - len(delivered),
            waiting=len(self._ids) - len(self._finished),
            error=self._error,
        )

    def _deliver_unless_blocked(
        self, effects: Sequence[Effect]
    ) -> tuple[Delivery, Sequence[OutboxEntry]]:
        """Deliver; of credentials that may not, report it and give the effect back.

        They are those of the operator: nothing is wrong with the lane of a worker.
        """
        delivery, follow_ups = self._deliver(effects)
        self._failures = self._failures + 1 if isinstance(delivery, Later) else 0
        if isinstance(delivery, Blocked | Later):
            self._error = delivery.error
        if self._failures >= MOST_FAILURES:
            self._over.set()
        if isinstance(delivery, Blocked):
            self._over.set()
            raise Stopped
        return delivery, follow_ups
