"""Observability: metrics, health and readiness, over HTTP and in a file.

All of it runs on its own threads, outside of the message path. Errors are logged and retried; they
never stop the worker.
"""

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from worker.observability.health import Health
from worker.observability.health_file import HealthFile
from worker.observability.http.collector import Collector
from worker.observability.http.measuring import Measure, Measuring
from worker.observability.http.pages import Pages
from worker.observability.http.work import Work
from worker.observability.metrics import Metrics
from worker.timing.threads import GuardedThreads

STOP_SECONDS = 2.0
"""Time limit for the threads to end; they hold nothing that could be lost."""

__all__ = ["Measure", "Observability", "Work"]


class Observability:
    """The HTTP server and the health file, from the start of a process to its end."""

    def __init__(
        self,
        *,
        health: Health,
        metrics: Metrics,
        listen: tuple[str, int] | None = None,
        file: Path | None = None,
    ) -> None:
        self.health = health
        self.metrics = metrics
        self._measuring = Measuring()
        self._collector = Collector(health, metrics, self._measuring)
        self._listen = listen
        self._file = HealthFile(file, health) if file else None
        self._over = threading.Event()
        self._threads = GuardedThreads()

    def __enter__(self) -> Self:
        """Start to answer requests, while the worker is still starting."""
        if self._listen:
            # Imported here: without `http.listen` no HTTP server is needed.
            from worker.observability.http.server import serve  # noqa: PLC0415

            pages = Pages(self.health, self.metrics.registry)
            self._begin("http", partial(serve, self._listen, pages.answer, self._over, self.health))
        if self._file:
            self._begin("health-file", partial(self._file.keep, self._over))
        return self

    def watch(self, work: Work, queue: str, measures: dict[str, Measure]) -> None:
        """Observe a worker: its counters at every scrape, remote services periodically."""
        self._collector.watch(work, queue)
        if self._file:
            self._file.counters = work.counters
        if self._listen:
            self._begin("measuring", partial(self._measuring.keep, measures, self._over))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop to answer."""
        self._over.set()
        self._threads.join(time.monotonic() + STOP_SECONDS)

    def _begin(self, name: str, run: Callable[[], None]) -> None:
        self._threads.add(name, run).start()
