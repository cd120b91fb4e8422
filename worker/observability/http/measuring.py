"""Measurements of remote services, by a thread every half minute: a scrape never waits for them.

A failed measurement is counted. A figure that has grown old is not shown any more.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping

import structlog
from msgspec import Struct

from worker.core.errors import Refused
from worker.core.masking import sanitized
from worker.timing.periodic import every

EVERY_SECONDS = 30.0
"""Between two measurements."""
AFTER_REFUSED_SECONDS = 900.0
"""Until a refused measurement is repeated: each refusal makes AWS's client anew."""
STALE_SECONDS = 100.0
"""A figure is shown for as long as three measurements take."""

Measure = Callable[[], object]

log = structlog.get_logger()


class Measured(Struct, frozen=True):
    """A figure, and when it was measured."""

    figure: object
    at: float
    """Seconds since 1970."""
    clock: float
    """`time.monotonic`."""


class Measuring:
    """Holds the latest figure of each kind. A single thread writes, any thread may read."""

    def __init__(self) -> None:
        self.latest: dict[str, Measured] = {}
        self.errors: Counter[str] = Counter()
        self._next: dict[str, float] = {}
        self._reported: set[str] = set()

    def fresh(self, what: str) -> object:
        """Return the figure; None if there is none, or it is too old."""
        found = self.latest.get(what)
        fresh = found is not None and time.monotonic() - found.clock < STALE_SECONDS
        return found.figure if found and fresh else None

    def keep(self, measures: Mapping[str, Measure], over: threading.Event) -> None:
        """Measure until the stop."""
        self.errors.update(dict.fromkeys(measures, 0))

        def measure_all() -> None:
            for what, measure in measures.items():
                if time.monotonic() >= self._next.get(what, 0.0) and not over.is_set():
                    self._take(what, measure)

        every(EVERY_SECONDS, over, measure_all)

    def _take(self, what: str, measure: Measure) -> None:
        try:
            figure = measure()
        except Exception as error:  # noqa: BLE001 whatever it is, only a figure is missing
            self.errors[what] += 1
            if isinstance(error, Refused):
                self._next[what] = time.monotonic() + AFTER_REFUSED_SECONDS
            if what not in self._reported:
                self._reported.add(what)
                log.warning("measure.failed", what=what, error=sanitized(str(error)))
        else:
            if what in self._reported:
                self._reported.discard(what)
                log.info("measure.succeeded", what=what)
            self.latest[what] = Measured(figure, time.time(), time.monotonic())
