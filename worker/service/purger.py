"""Purges once a day what is older than the settings keep it, in a thread of its own.

Its transactions are short, and it rests after each for longer than it took, so messages come first.
What is left when the process ends is found by the next purge.
"""

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import structlog

from worker.core.policy import Policy
from worker.core.retention import Retention
from worker.observability.health import Health
from worker.store import Store
from worker.store.purge_state import read_state
from worker.timing.periodic import begin_every

if TYPE_CHECKING:
    from worker.store.purging import Target

EVERY_SECONDS = 60.0
"""Between two looks, and before the first."""
EVERY = timedelta(days=1)
"""Between two purges."""
LEAST_PAUSE_SECONDS = 0.03
SHARE = 4
"""The pause after a bite is so many times as long as the bite, so messages have the rest."""
TABLES = ("events", "messages", "outbox", "removals", "kept_keys")
"""`messages`: SES's messages in the payloads of notices."""
PURGE = "purge"
"""The problem: it does not make a worker unready, since messages are processed all the same."""

log = structlog.get_logger()
Choices = Callable[[], tuple[Retention, Policy, timedelta]]
"""The settings in force: how long what is kept, the policy, how long removals count."""
Pause = Callable[[float], bool]
"""Waits; returns True if it is time to end."""


class Purger:
    """Purges now and then; counts what it has removed."""

    def __init__(self, store: Store, choices: Choices, health: Health) -> None:
        self._store = store
        self._choices = choices
        self._health = health
        self.removed: dict[str, int] = dict.fromkeys(TABLES, 0)
        """Rows by table, since the process started."""
        self.finished_at: float | None = None
        """When a purge was finished last, by any worker; in seconds since 1970."""

    def look(self, pause: Pause) -> None:
        """Purge if it is time; an outage is logged once, and the next look tries again."""
        try:
            self._purge_if_due(pause)
        except Exception as error:  # noqa: BLE001 a bug here must not end the thread
            is_new = PURGE not in {problem.what for problem in self._health.problems}
            self._health.report_problem(PURGE, error)
            if is_new:
                log.warning("purge.delayed", error=str(error))
            return
        if (seconds := self._health.resolve(PURGE)) is not None:
            log.info("purge.resumed", outage_seconds=round(seconds, 1))

    def _purge_if_due(self, pause: Pause) -> None:
        # Only here: SQLAlchemy takes 0.2 s to load.
        from worker.store.purging import Faster, Purge, moment_of  # noqa: PLC0415

        now = moment_of(self._store)
        state = read_state(self._store)
        if state.finished_at:
            self.finished_at = state.finished_at.timestamp()
            if timedelta(0) <= now - state.finished_at < EVERY:
                return
        retention, policy, within = self._choices()
        purge = Purge(self._store, retention, policy, now, removals_kept=within)
        purge.announce()
        if purge.is_announcing:
            self._announce(purge.targets())
        try:
            with closing(purge.bites()) as bites:
                for bite in bites:
                    if bite.rows:
                        self.removed[bite.table] += bite.rows
                    if pause(max(LEAST_PAUSE_SECONDS, SHARE * bite.held_seconds)):
                        return
        except Faster:
            return  # another worker does it
        self.finished_at = now.timestamp()
        if purge.removed.total():
            log.info(
                "purge.finished",
                **{name: count for name, count in purge.removed.items() if count},
                kept=purge.kept,
                longest_commit_seconds=round(purge.throttle.longest, 4),
            )

    def _announce(self, targets: "dict[str, Target]") -> None:
        for name, target in targets.items():
            if target.until and target.rows:
                log.warning(
                    "purge.announced",
                    what=name,
                    rows=target.rows,
                    oldest=target.oldest.isoformat() if target.oldest else None,
                    before=target.cutoff.isoformat(),
                    begins_at=target.until.isoformat(),
                    hint=f"raise retention.{name}_days to keep them",
                )


def begin_purging(purger: Purger, stopping: threading.Event) -> threading.Thread:
    """Look every minute, in a thread of its own; at a stop it ends after a bite."""
    look = partial(purger.look, stopping.wait)
    return begin_every("purge", EVERY_SECONDS, stopping, look, at_once=False)
