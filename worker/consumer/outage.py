"""An outage of the store: when it began, when to probe again, when it is over."""

import time
from collections.abc import Callable

import structlog

from worker.core.errors import Misconfigured, Unavailable
from worker.timing.retries import back_off

SOON_SECONDS = 0.2
"""Before the first look at a store that was well a moment ago."""

log = structlog.get_logger()


class Outage:
    """Begins with an error; looks again after 1 to 60 s, longer after several in a row."""

    def __init__(self, error: BaseException, in_a_row: int, *, soon: bool = False) -> None:
        self._began = time.monotonic()
        self._attempt = in_a_row
        self.was_seen = False
        """A look has met it, too: it is not about what was written."""
        log.error("store.unavailable", error=str(error))
        self._wait()
        if soon:
            self._look_at = self._began + SOON_SECONDS

    def is_over(self, probe: Callable[[], None]) -> bool:
        """Look, if it is time to."""
        if time.monotonic() < self._look_at:
            return False
        try:
            probe()
        except (Unavailable, Misconfigured) as error:  # what worked at the start may work again
            self.was_seen = True
            seconds = self._wait()
            log.warning("store.unavailable", error=str(error), next_try_seconds=round(seconds, 1))
            return False
        return True

    def end(self) -> None:
        """Log the end of the outage."""
        log.info("store.available", outage_seconds=round(time.monotonic() - self._began, 1))

    def _wait(self) -> float:
        self._attempt += 1
        seconds = back_off(self._attempt)
        self._look_at = time.monotonic() + seconds
        return seconds
