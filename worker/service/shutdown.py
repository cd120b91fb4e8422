"""The last resort of a stop: the process exits in time, even if threads hang."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

LONGEST_SECONDS = 45.0
"""From the first signal to the end of the process; systemd allows 90."""
LOGGING_SECONDS = 1.0
"""Part of them for logging which threads hang; that may hang, too."""
LONGEST_COMMAND_SECONDS = 120.0
"""The same for a command that ends by itself: more than its stop waits for long polls, the outbox,
the store and the last counts."""
FAILED = 1
"""The exit status."""
LEFT_BEHIND = (
    "The worker exits without waiting any longer. The messages that it holds become visible again "
    "within queue.visibility_seconds; nothing is lost"
)
HINT = "These threads hang, so the process ends without them; nothing is lost"

log = structlog.get_logger()


@contextmanager
def set_at_the_end(event: threading.Event) -> Iterator[None]:
    """Set an event at the end of the block, also after an error: that is a stop, too."""
    try:
        yield
    finally:
        event.set()


def leave_in_time(
    to_stop: threading.Event,
    flush: Callable[[float], object],
    *,
    seconds: float = LONGEST_SECONDS,
) -> None:
    """End the process with 1 if a stop takes too long; log the threads that hang.

    Exiting is always safe: nothing is deleted before its commit.
    """

    def watch() -> None:
        to_stop.wait()
        # No event ends this wait: it ends with the process.
        threading.Event().wait(seconds - LOGGING_SECONDS)
        # In a thread of its own, because logging may hang as well.
        threading.Thread(target=log_threads, daemon=True).start()
        threading.Event().wait(LOGGING_SECONDS / 2)
        flush(LOGGING_SECONDS / 2)
        os._exit(FAILED)

    def log_threads() -> None:
        own = {"last-resort", threading.current_thread().name}
        names = sorted(thread.name for thread in threading.enumerate() if thread.name not in own)
        log.critical("worker.hangs", threads=names, hint=HINT)

    threading.Thread(target=watch, name="last-resort", daemon=True).start()
