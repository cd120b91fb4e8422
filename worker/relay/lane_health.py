"""Reports a lane's health: its pulse, and its problems with the store and the destination."""

from worker.core.effects import Lane
from worker.observability.health import Health


class LaneHealth:
    """The pulse and the problems of a lane.

    A reload replaces a lane by another with the same name, and the old lane may end late: from then
    on the problems are those of the new lane, and the old lane changes none.
    """

    def __init__(self, health: Health, lane: Lane) -> None:
        self._health = health
        self._pulse = health.pulse(f"relay-{lane}")
        self._store, self._destination = f"outbox of {lane}", f"lane {lane}"

    def expect_within(self, seconds: float) -> None:
        """Expect the lane's next step within some seconds: later it is reported as hanging."""
        self._pulse.within(seconds)

    def rest(self) -> None:
        """Expect no step: the lane waits."""
        self._pulse.rest()

    def end(self) -> None:
        """The lane has ended: it has no problem."""
        self._pulse.rest()
        self.store_works()
        self.destination_works()

    def store_failed(self, error: object) -> None:
        """The outbox is unavailable."""
        self._report(self._store, error)

    def store_works(self) -> None:
        """The outbox is available."""
        self._resolve(self._store)

    def destination_failed(self, error: object) -> None:
        """The destination is unavailable, or blocked."""
        self._report(self._destination, error)

    def destination_works(self) -> None:
        """No process knows of a problem with the destination."""
        self._resolve(self._destination)

    def _report(self, what: str, error: object) -> None:
        if self._health.has(self._pulse):
            self._health.report_problem(what, error)

    def _resolve(self, what: str) -> None:
        if self._health.has(self._pulse):
            self._health.resolve(what)
