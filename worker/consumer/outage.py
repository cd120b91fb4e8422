"""An outage of the store, or of certificates: when it began, when to probe, when it is over."""

import time
from collections.abc import Callable

import structlog

from worker.core.errors import Misconfigured, Unavailable
from worker.observability.health import SIGNATURES, STORE
from worker.timing.retries import back_off

SOON_SECONDS = 0.2
"""Seconds before the first probe, if the store worked a moment ago."""
_UNAVAILABLE = {STORE: "store.unavailable", SIGNATURES: "signatures.unavailable"}
_AVAILABLE = {STORE: "store.available", SIGNATURES: "signatures.available"}

log = structlog.get_logger()


class Outage:
    """Begins with an error; probes every 1 to 60 s, more rarely after several outages."""

    def __init__(
        self, error: BaseException, in_a_row: int, *, what: str = STORE, soon: bool = False
    ) -> None:
        self.what = what
        """What is unavailable, as in `worker.observability.health`."""
        self._began = time.monotonic()
        self._attempt = in_a_row
        self.is_confirmed = False
        """A probe has failed, too, so the messages did not cause the outage."""
        log.error(_UNAVAILABLE[what], error=str(error))
        self._wait()
        if soon:
            self._probe_at = self._began + SOON_SECONDS

    def is_over(self, probe: Callable[[], None]) -> bool:
        """Probe, if it is time to; return whether that succeeded."""
        if time.monotonic() < self._probe_at:
            return False
        try:
            probe()
        except (Unavailable, Misconfigured) as error:  # the start succeeded, so waiting may help
            self.is_confirmed = True
            seconds = self._wait()
            log.warning(
                _UNAVAILABLE[self.what], error=str(error), next_try_seconds=round(seconds, 1)
            )
            return False
        return True

    def end(self) -> None:
        """Log the end of the outage."""
        log.info(_AVAILABLE[self.what], outage_seconds=round(time.monotonic() - self._began, 1))

    def _wait(self) -> float:
        self._attempt += 1
        seconds = back_off(self._attempt)
        self._probe_at = time.monotonic() + seconds
        return seconds
