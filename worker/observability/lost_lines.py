"""A log that cannot be written is told by other means, and by the log once it can be again."""

import time

import structlog

from worker.observability.health import Health
from worker.observability.stderr import OUT

WHAT = "log"
TRY_EVERY_SECONDS = 60.0
"""While writing fails: only another line can tell whether it still does."""

log = structlog.get_logger()


class LostLines:
    """Used by the main thread, which looks once a second."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._reported = self._tried_to_tell = 0
        self._try_at = 0.0

    def look(self) -> None:
        """Report a problem while log lines are lost, and how many were lost once that is over."""
        if OUT.is_stuck:
            self._report_problem("Nobody reads standard error")
        elif failure := OUT.failure:
            why = getattr(failure, "strerror", None) or failure
            self._report_problem(f"Standard error cannot be written ({why})")
            if time.monotonic() >= self._try_at:
                self._record()
        elif OUT.lost not in {self._reported, self._tried_to_tell}:
            self._record()
        else:
            self._reported = OUT.lost
            self._health.resolve(WHAT)

    def _report_problem(self, what: str) -> None:
        notification = f"{what}: {OUT.lost:,} lines of the log are lost so far; the work goes on"
        self._health.report_problem(WHAT, notification)

    def _record(self) -> None:
        self._tried_to_tell = OUT.lost
        self._try_at = time.monotonic() + TRY_EVERY_SECONDS
        log.warning("log.lost", lines=OUT.lost - self._reported)
