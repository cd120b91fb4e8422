"""A log that nobody reads is told by other means, and by the log once somebody does."""

import structlog

from worker.health import Health
from worker.stderr import OUT

WHAT = "log"

log = structlog.get_logger()


class LostLines:
    """Used by the main thread, which looks once a second."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._told = 0

    def look(self) -> None:
        """Say that lines are lost, to whoever asks how it goes; say how many when that is over."""
        if OUT.is_stuck:
            self._health.trouble(WHAT, f"nobody reads it: {OUT.lost:,} lines are lost")
        elif self._told != OUT.lost:
            lost, self._told = OUT.lost - self._told, OUT.lost
            log.warning("log.lost", lines=lost)
        else:
            self._health.well(WHAT)
