"""When boto3 replaces our own client: SQS's answers are no longer as our client expects them."""

import threading
import time

import structlog
from msgspec import Struct

UNREADABLE_IN_A_ROW = 5
"""Unreadable answers to calls of one operation, each made after the answer before, without a
readable one between them, be it a refusal."""
LEAST_SECONDS = 60
"""Between the first of them and the last: a fault on the way that passes within a minute does not
replace the client."""

log = structlog.get_logger()


class _Streak(Struct):
    """Unreadable answers in a row; times are of `time.monotonic`."""

    first_at: float
    latest_at: float = 0.0
    answers: int = 0


class Replacement:
    """Counts unreadable answers; after too many boto3 makes all calls, for good. Thread-safe.

    It belongs to a queue and outlives its clients, which are made anew with new credentials.
    """

    def __init__(self, queue: str) -> None:
        self.is_done = False
        """boto3 makes all calls."""
        self._queue = queue
        self._lock = threading.Lock()
        self._streaks: dict[str, _Streak] = {}
        """By operation."""

    def readable(self, operation: str) -> None:
        """Learn of an answer that our client could read."""
        if self._streaks:
            with self._lock:
                self._streaks.pop(operation, None)

    def unreadable(self, operation: str, called_at: float, error: Exception) -> None:
        """Learn of an answer that our client could not read, to a call that was made then.

        Pollers call at the same time, and a single fault may spoil an answer of each: these count
        as one.
        """
        with self._lock:
            now = time.monotonic()
            streak = self._streaks.setdefault(operation, _Streak(first_at=now))
            if self.is_done or called_at < streak.latest_at:
                return
            streak.answers, streak.latest_at = streak.answers + 1, now
            lasted = now - streak.first_at
            if streak.answers < UNREADABLE_IN_A_ROW or lasted < LEAST_SECONDS:
                return
            self.is_done = True
        log.warning(
            "sqs_client.replaced",
            queue=self._queue,
            operation=operation,
            answers=streak.answers,
            error=str(error),
        )
