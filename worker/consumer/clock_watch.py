"""Reports when this machine's clock differs from SQS's clock, and when they agree again."""

from collections.abc import Callable

import structlog

from worker.observability.health import Health
from worker.topology.checks.clock import MOST_SKEW_SECONDS, SET_THE_CLOCK, describe_skew, is_skewed

CLOCK = "clock"
"""The problem's name. Messages are still processed, so the worker stays ready."""
RIGHT_AGAIN_SECONDS = 100.0
"""Below this the problem is over. It begins at more, so that a difference at the limit is reported
once."""

log = structlog.get_logger()


class ClockWatch:
    """Compares the clocks; only the main thread uses it."""

    def __init__(self, skew_seconds: Callable[[], float | None], health: Health) -> None:
        self._skew_seconds = skew_seconds
        self._health = health
        self._reported: float | None = None
        """The difference that was reported; None: no problem is reported."""

    def look(self) -> None:
        """Look at the difference; while it is unknown, nothing changes."""
        seconds = self._skew_seconds()
        if seconds is None:
            return
        if self._reported is None:
            if is_skewed(seconds):
                text = describe_skew(seconds)
                log.error(
                    "clock.skewed",
                    error=text[0].upper() + text[1:],
                    skew_seconds=round(seconds),
                    hint="Set it, and keep it right: timedatectl set-ntp true",
                )
                self._report(seconds)
        elif abs(seconds) < RIGHT_AGAIN_SECONDS:
            log.info("clock.corrected", skew_seconds=round(seconds))
            self._reported = None
            self._health.resolve(CLOCK)
        elif abs(seconds - self._reported) > MOST_SKEW_SECONDS:
            self._report(seconds)  # the clock was set again, and wrongly

    def _report(self, seconds: float) -> None:
        self._reported = seconds
        self._health.report_problem(CLOCK, f"{describe_skew(seconds)}: {SET_THE_CLOCK}")
