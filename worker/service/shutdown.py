"""The last resort of a stop: whatever hangs, the process is gone in time."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

LONGEST_SECONDS = 45.0
"""From the first signal to the end of the process; systemd grants it 90."""
SAYING_SECONDS = 1.0
"""Of them for saying what hangs, should that hang, too."""
LONGEST_COMMAND_SECONDS = 120.0
"""The same of a command that ends by itself, which nobody kills before: more than what its stop
waits for, such as long polls, what is in the outbox, the store and the last look."""
FAILED = 1
LEFT_BEHIND = (
    "The worker leaves without waiting any longer. What it holds comes again within "
    "queue.visibility_seconds; nothing is lost"
)
HINT = "These threads hang, so the process ends without them; nothing is lost"

log = structlog.get_logger()


@contextmanager
def set_at_the_end(event: threading.Event) -> Iterator[None]:
    """Set an event at the end of the block, even if an error ends it: that is a stop as well."""
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
    """Watch over a stop: what has not ended the process by then is named, and it is ended with 1.

    Leaving is always safe: nothing is deleted before its commit.
    """

    def watch() -> None:
        to_stop.wait()
        # No event ends this: it is over with the process.
        threading.Event().wait(seconds - SAYING_SECONDS)
        # Aside, for that may hang as well.
        threading.Thread(target=say, daemon=True).start()
        threading.Event().wait(SAYING_SECONDS / 2)
        flush(SAYING_SECONDS / 2)
        os._exit(FAILED)

    def say() -> None:
        own = {"last-resort", threading.current_thread().name}
        names = sorted(item.name for item in threading.enumerate() if item.name not in own)
        log.critical("worker.hangs", threads=names, hint=HINT)

    threading.Thread(target=watch, name="last-resort", daemon=True).start()
