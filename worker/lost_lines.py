"""A log that cannot be written is told by other means, and by the log once it can be again."""

import time

import structlog

from worker.health import Health
from worker.stderr import OUT

WHAT = "log"
TRY_EVERY_SECONDS = 60.0
"""While writing fails: only another line can tell whether it still does."""

log = structlog.get_logger()


class LostLines:
    """Used by the main thread, which looks once a second."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._told = self._tried_to_tell = 0
        self._try_at = 0.0

    def look(self) -> None:
        """Say that lines are lost, to whoever asks how it goes; say how many when that is over."""
        if OUT.is_stuck:
            self._trouble("Nobody reads standard error")
        elif failure := OUT.failure:
            why = getattr(failure, "strerror", None) or failure
            self._trouble(f"Standard error cannot be written ({why})")
            if time.monotonic() >= self._try_at:
                self._say()
        elif OUT.lost not in {self._told, self._tried_to_tell}:
            self._say()
        else:
            self._told = OUT.lost
            self._health.well(WHAT)

    def _trouble(self, what: str) -> None:
        said = f"{what}: {OUT.lost:,} lines of the log are lost so far; the work goes on"
        self._health.trouble(WHAT, said)

    def _say(self) -> None:
        self._tried_to_tell = OUT.lost
        self._try_at = time.monotonic() + TRY_EVERY_SECONDS
        log.warning("log.lost", lines=OUT.lost - self._told)
