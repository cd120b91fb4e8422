"""Reports lost log lines as a problem, and in the log itself when it can be written again."""

import time

import structlog

from worker.observability.health import Health
from worker.observability.stderr import OUT

WHAT = "log"
TRY_EVERY_SECONDS = 60.0
"""Between two lines while writing fails: only another line shows whether it still does."""

log = structlog.get_logger()


class LostLines:
    """Watches for lost lines; the main thread calls `look` once a second."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._reported = self._tried_to_report = 0
        self._try_at = 0.0

    def look(self) -> None:
        """Report a problem while lines are lost, and log the number of lost lines afterwards."""
        if OUT.is_stuck:
            self._report_problem("nobody reads standard error")
        elif failure := OUT.failure:
            why = getattr(failure, "strerror", None) or failure
            self._report_problem(f"standard error cannot be written ({why})")
            if time.monotonic() >= self._try_at:
                self._record()
        elif OUT.lost not in {self._reported, self._tried_to_report}:
            self._record()
        else:
            self._reported = OUT.lost
            self._health.resolve(WHAT)

    def _report_problem(self, what: str) -> None:
        error = f"{what}: {OUT.lost:,} lines of the log are lost so far; messages are processed"
        self._health.report_problem(WHAT, error)

    def _record(self) -> None:
        self._tried_to_report = OUT.lost
        self._try_at = time.monotonic() + TRY_EVERY_SECONDS
        log.warning("log.lost", lines=OUT.lost - self._reported)
