"""Jobs that run every few seconds until a stop."""

import threading
from collections.abc import Callable
from contextlib import suppress

from worker.core.errors import Stopped


def every(
    seconds: float, stopping: threading.Event, job: Callable[[], object], *, at_once: bool = True
) -> None:
    """Run a job again and again, with a pause between two runs, until `stopping` is set.

    The first run is at once, or after the first pause. The job may raise `Stopped` to end early.
    """
    with suppress(Stopped):
        if not at_once and stopping.wait(seconds):
            return
        while True:
            job()
            if stopping.wait(seconds):
                return


def begin_every(
    name: str,
    seconds: float,
    stopping: threading.Event,
    job: Callable[[], object],
    *,
    at_once: bool = True,
) -> threading.Thread:
    """Begin such a job in a thread of its own; the process can end while it still runs."""
    thread = threading.Thread(
        target=every,
        args=(seconds, stopping, job),
        kwargs={"at_once": at_once},
        name=name,
        daemon=True,
    )
    thread.start()
    return thread
