"""Adds up what the commits have counted, and counts the events from before the upgrade.

It has a thread of its own, whose transactions are short. While the database is unavailable nothing
is lost: what was counted waits in `new_counts`.
"""

import threading
import time
from collections.abc import Callable
from functools import partial

import structlog

from worker.observability.health import Health
from worker.store import Store
from worker.store.adding_up import add_up_some
from worker.store.counting_events import count_some_events
from worker.store.trimming import trim_what_is_over
from worker.timing import clock
from worker.timing.periodic import begin_every

EVERY_SECONDS = 10.0
"""Between two looks. The longer, the more commits are added up together."""
PAUSE_SECONDS = 0.03
"""Between two transactions: longer than most of them take, so that messages come first."""
TRIMMING_SECONDS = 900.0
FIGURES = "figures"
"""The problem: it does not make a worker unready, since messages are counted all the same."""

log = structlog.get_logger()
Pause = Callable[[float], bool]
"""Waits; returns True if it is time to end."""


class FiguresKeeper:
    """Keeps the figures by the hour."""

    def __init__(self, store: Store, health: Health) -> None:
        self._store = store
        self._health = health
        self._trimmed_at = -TRIMMING_SECONDS
        self._is_history_counted = False

    def look(self, pause: Pause) -> None:
        """Do what there is to do; an outage is logged once, and the next look tries again."""
        try:
            if add_up(self._store, pause):
                self._count_history(pause)
                self._trim()
        except Exception as error:  # noqa: BLE001 a bug here must not end the thread
            is_new = FIGURES not in {problem.what for problem in self._health.problems}
            self._health.report_problem(FIGURES, error)
            if is_new:
                log.warning("figures.delayed", error=str(error))
            return
        if (seconds := self._health.resolve(FIGURES)) is not None:
            log.info("figures.resumed", outage_seconds=round(seconds, 1))

    def _count_history(self, pause: Pause) -> None:
        has_more: bool | None = not self._is_history_counted
        while has_more and not pause(PAUSE_SECONDS):
            has_more = count_some_events(self._store)
        self._is_history_counted = has_more is False

    def _trim(self) -> None:
        if time.monotonic() - self._trimmed_at >= TRIMMING_SECONDS:
            trim_what_is_over(self._store, clock.wall())
            self._trimmed_at = time.monotonic()


def add_up(store: Store, pause: Pause) -> bool:
    """Add up all that was counted; return False if it was time to end before.

    Raises:
        Unavailable: the database is unavailable.

    """
    while True:
        added = add_up_some(store)
        if added.unreadable:
            log.warning("figures.unreadable", rows=added.unreadable)
        if added.is_all:
            return True
        if pause(PAUSE_SECONDS):
            return False


def begin_keeping_figures(
    store: Store, health: Health, stopping: threading.Event
) -> threading.Thread:
    """Look every few seconds, in a thread of its own; at a stop it ends after a bite."""
    keeper = FiguresKeeper(store, health)
    return begin_every("figures", EVERY_SECONDS, stopping, partial(keeper.look, stopping.wait))
