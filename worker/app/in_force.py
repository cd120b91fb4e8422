"""Keeps the policy in force in the database, for the view `do_not_mail`.

Machines that share a database should share a policy: the view follows the worker that was started
or reloaded last.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import structlog

from worker.core.errors import Stopped
from worker.core.policy import Policy
from worker.store import Store
from worker.store.answers import pauses_over
from worker.store.in_force import as_kept, shortens
from worker.timing import clock
from worker.timing.retries import unless_over, while_unreachable

_STAY = (
    "no existing pause is changed: the new values count from the next bounce on, and at once for "
    "addresses that are no users"
)

_ANY_SHADOW = "SELECT 1 FROM progress WHERE name = 'shadow' AND value <> '{{}}'"

log = structlog.get_logger()


def keep_policy(store: Store, policy: Policy) -> None:
    """Keep a policy; if its pauses are shorter than those before, log what that does not change.

    Raises:
        Unavailable: the store is unavailable.

    """
    kept = as_kept(policy)
    before = store.keep_policy(kept)
    _begin_shadow(store, policy.shadow)
    if shortens(before, kept):
        log.warning(
            "policy.shortened",
            hard_bounce_pause_days=_days(policy.hard_bounce_pause),
            soft_bounce_pause_days=_days(policy.soft_bounce_pause),
            pauses_over=pauses_over(store, policy, clock.wall()),
            hint=_STAY,
        )


def _begin_shadow(store: Store, policy: Policy | None) -> None:
    """Let a second policy decide, if it does not yet; what another has decided is forgotten."""
    if policy is None and not store.ask(_ANY_SHADOW):
        return
    # Only here: SQLAlchemy takes 0.2 s to load.
    from worker.store.shadow import begin  # noqa: PLC0415

    if (begun := begin(store, policy)) is None:
        return
    if policy is None:
        log.info("shadow.ended", since=begun.since.isoformat())
    else:
        log.info("shadow.begun", since=begun.since.isoformat(), policy=begun.policy)


def begin_keeping(store: Store, policy: Callable[[], Policy], stopping: threading.Event) -> None:
    """Keep the policy in a thread of its own, as soon as the store can be written."""

    def keep() -> None:
        with suppress(Stopped):
            again(lambda: keep_policy(store, policy()))

    again = while_unreachable(unless_over(stopping), _report)
    threading.Thread(target=keep, name="policy", daemon=True).start()


def _report(error: BaseException, seconds: float) -> None:
    log.warning("policy.not_kept", error=str(error), next_try_seconds=round(seconds, 1))


def _days(pause: timedelta) -> float:
    return pause / timedelta(days=1)
