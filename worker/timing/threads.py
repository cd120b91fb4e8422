"""Threads that are started together, guarded, and waited for together.

They are daemons: a thread that hangs cannot keep the process from exiting. Exiting is always safe,
as nothing is deleted from the queue before its commit.
"""

import threading
import time
from collections.abc import Callable

import structlog

POLL_SECONDS = 0.05
"""Time between two looks at what may end a wait."""

log = structlog.get_logger()


class GuardedThreads:
    """A group of threads; an error that ends a thread is logged and reported."""

    def __init__(self, on_failure: Callable[[BaseException], None] = lambda _: None) -> None:
        self._on_failure = on_failure
        self._threads: list[threading.Thread] = []

    def add(self, name: str, run: Callable[[], None]) -> threading.Thread:
        """Make a thread; it is not started yet."""

        def guarded() -> None:
            try:
                run()
            except BaseException as error:
                log.critical("thread.died", thread=name, exc_info=error)
                self._on_failure(error)

        thread = threading.Thread(target=guarded, name=name, daemon=True)
        self._threads.append(thread)
        return thread

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> list[threading.Thread]:
        """The threads that have not ended."""
        return [thread for thread in self._threads if thread.is_alive()]

    def join(
        self,
        until: float,
        hurry: threading.Event | None = None,
        *,
        hurried_seconds: float = 0.0,
        is_needed: Callable[[], bool] = lambda: False,
    ) -> list[str]:
        """Wait until all threads have ended; return the names of those that have not.

        Args:
            until: the end of the wait, on `time.monotonic`.
            hurry: once it is set, wait only while `is_needed`, and for `hurried_seconds` at most.
            hurried_seconds: see there.
            is_needed: whether a thread does something that is worth waiting for in a hurry.

        """
        while (running := self.running) and time.monotonic() < until:
            if hurry is not None and hurry.is_set():
                until = min(until, time.monotonic() + hurried_seconds)
                if not is_needed():
                    break
            running[0].join(POLL_SECONDS)
        return [thread.name for thread in self.running]
