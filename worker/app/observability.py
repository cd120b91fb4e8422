"""Builds metrics, health and the health file from the settings, and shows them a worker."""

from collections.abc import Mapping, Sequence

from worker.app.parts import Parts
from worker.consumer import Counters
from worker.observability.health import Health
from worker.observability.http import Measure, Observability
from worker.observability.metrics import Metrics
from worker.service.purger import Purger
from worker.service.sending_watch import SendingWatch
from worker.settings import Settings
from worker.store.sending import SendingStatus


def make_observability(settings: Settings) -> Observability:
    """Make it; it answers nothing yet."""
    return Observability(
        health=Health(),
        metrics=Metrics(),
        listen=settings.http.address,
        file=settings.health.file,
    )


def watch(
    observability: Observability, parts: Parts, sending: SendingWatch, purger: Purger
) -> None:
    """Expose a worker's figures, and measure its remote services periodically."""
    measures: dict[str, Measure] = {
        "queue": parts.queue.counts,
        "dead_letter_queue": parts.queue.dead_letter_counts,
        "store": parts.store.figures,
    }
    if parts.store.disk_space():
        measures["disk"] = parts.store.disk_space
    observability.watch(_Work(parts, sending, purger), parts.queue.name, measures)


class _Work:
    """The figures of a worker, as the collector reads them."""

    def __init__(self, parts: Parts, sending: SendingWatch, purger: Purger) -> None:
        self._parts = parts
        self._sending = sending
        self._purger = purger

    @property
    def counters(self) -> Counters:
        return self._parts.consumer.counters

    @property
    def held(self) -> int:
        return self._parts.consumer.held

    @property
    def idle(self) -> bool:
        return self._parts.consumer.idle

    @property
    def clock_skew_seconds(self) -> float | None:
        return self._parts.queue.clock_skew.seconds

    @property
    def sending(self) -> Sequence[SendingStatus] | None:
        return self._sending.statuses

    @property
    def purged(self) -> Mapping[str, int]:
        return self._purger.removed

    @property
    def purge_finished_at(self) -> float | None:
        return self._purger.finished_at

    @property
    def delivered(self) -> int:
        return self._parts.current.delivered
