"""When boto3 replaces our own client: SQS's answers are no longer as our client expects them."""

import threading
import time

import structlog

UNREADABLE_IN_A_ROW = 5
"""Unreadable answers to calls of one operation, each made after the answer before, without a
readable one between them. Calls back off after an error, so a fault on the way that passes within
a second or two does not replace the client."""

log = structlog.get_logger()


class Replacement:
    """Counts unreadable answers; after too many boto3 makes all calls, for good. Thread-safe.

    It belongs to a queue and outlives its clients, which are made anew with new credentials.
    """

    def __init__(self, queue: str) -> None:
        self.is_done = False
        """boto3 makes all calls."""
        self._queue = queue
        self._lock = threading.Lock()
        self._streaks: dict[str, tuple[int, float]] = {}
        """By operation: how many, and when the latest came, on `time.monotonic`."""

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
            count, latest_at = self._streaks.get(operation, (0, 0.0))
            if self.is_done or called_at < latest_at:
                return
            self._streaks[operation] = count + 1, time.monotonic()
            if count + 1 < UNREADABLE_IN_A_ROW:
                return
            self.is_done = True
        log.warning(
            "sqs_client.replaced",
            queue=self._queue,
            operation=operation,
            answers=UNREADABLE_IN_A_ROW,
            error=str(error),
        )
