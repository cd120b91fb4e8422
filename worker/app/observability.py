"""Builds metrics, health and the health file from the settings."""

from worker.app.current import Current
from worker.consumer import Consumer, Counters
from worker.observability.health import Health
from worker.observability.http import Observability
from worker.observability.metrics import Metrics
from worker.settings import Settings
from worker.sqs.queue import Queue
from worker.store import Store


def make_observability(settings: Settings) -> Observability:
    """Make it; nobody is answered yet."""
    return Observability(
        health=Health(),
        metrics=Metrics(),
        listen=settings.http.address,
        file=settings.health.file,
    )


def watch(
    observability: Observability, consumer: Consumer, queue: Queue, store: Store, current: Current
) -> None:
    """Expose a worker's figures, and measure its remote services periodically."""
    observability.watch(
        _Work(consumer, queue, current),
        queue.name,
        {
            "queue": queue.counts,
            "dead_letter_queue": queue.dead_letter_counts,
            "store": store.figures,
        },
    )


class _Work:
    """The loops, as far as they can be looked at."""

    def __init__(self, consumer: Consumer, queue: Queue, current: Current) -> None:
        self._consumer = consumer
        self._queue = queue
        self._current = current

    @property
    def counters(self) -> Counters:
        return self._consumer.counters

    @property
    def held(self) -> int:
        return self._consumer.held

    @property
    def idle(self) -> bool:
        return self._consumer.idle

    @property
    def clock_skew_seconds(self) -> float | None:
        return self._queue.clock_skew.seconds

    @property
    def delivered(self) -> int:
        return self._current.delivered
