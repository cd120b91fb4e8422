"""An outage of the books: when it began, when to look again, when it is over."""

import time
from collections.abc import Callable

import structlog

from worker.errors import Misconfigured, Unavailable
from worker.retries import back_off

log = structlog.get_logger()


class Outage:
    """Begins with an error; looks again after 1 to 60 s, longer after several in a row."""

    def __init__(self, error: BaseException, in_a_row: int) -> None:
        self._began = time.monotonic()
        self._attempt = in_a_row
        log.error("store.unavailable", error=str(error))
        self._wait()

    def is_over(self, probe: Callable[[], None]) -> bool:
        """Look, if it is time to."""
        if time.monotonic() < self._look_at:
            return False
        try:
            probe()
        except (Unavailable, Misconfigured) as error:  # what was well at the start may be again
            seconds = self._wait()
            log.warning("store.unavailable", error=str(error), next_try_seconds=round(seconds, 1))
            return False
        return True

    def end(self) -> None:
        """Say so."""
        log.info("store.available", away_seconds=round(time.monotonic() - self._began, 1))

    def _wait(self) -> float:
        self._attempt += 1
        seconds = back_off(self._attempt)
        self._look_at = time.monotonic() + seconds
        return seconds
