"""Reloads the settings while the worker runs.

What the core and the relay are made of is made anew and put in the place of what was in force; the
loops, which hold messages, stay as they are. So no message is given back, and none waits.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import structlog

from worker.app import lanes_without_sender, make_relay
from worker.app.current import Current
from worker.core.errors import Misconfigured, Unavailable
from worker.observability.health import SETTINGS, Health
from worker.observability.log import configure_logging
from worker.service.startup_checks import warn_of_effects_without_sender
from worker.settings import Settings
from worker.store import Store

LIVE = frozenset({"log", "notify", "policy", "slack", "sns", "suppression"})
"""Sections that can change at any time; the others are what connections and threads are made of."""
_OF_THE_RELAY = ("notify", "slack", "suppression")
_RESTART = "restart the service to use it: systemctl restart ses-worker"

log = structlog.get_logger()


def reload(
    current: Current,
    read: Callable[[], Settings],
    store: Store,
    health: Health,
    stopping: threading.Event,
) -> str:
    """Read the settings again, and use what can be used at once; return what is left to do.

    Settings that are wrong change nothing.
    """
    before = current.settings
    try:
        desired = read()
        after = _in_force(before, desired)
        changed, kept = list(_differences(before, after)), list(_differences(after, desired))
        afresh = any(getattr(after, name) != getattr(before, name) for name in _OF_THE_RELAY)
        policy = after.as_policy()
        relay = make_relay(after, store, health) if afresh else current.relay
    except Exception as error:  # a reload that breaks must not end who works
        if not isinstance(error, Misconfigured):
            log.exception("settings.failed")
        reason = "; ".join(str(error).splitlines())  # a line each, as a command says them
        log.error("settings.refused", error=reason, hint="those of before are in force")  # noqa: TRY400 a trace says nothing
        health.report_problem(SETTINGS, f"refused, those of before are in force: {reason}")
        return "the settings that were to be reloaded are wrong, those of before are in force"
    configure_logging(after.log.level, json=after.log.as_json)
    current.settings, current.policy = after, policy
    if afresh:
        current.replace(relay, stopping)
        threading.Thread(
            target=_warn_of_effects_without_sender, args=(after, store), daemon=True
        ).start()
    log.info("settings.reloaded", changed=changed)
    if not kept:
        health.resolve(SETTINGS)
        return ""
    log.warning("settings.restart_required", settings=kept, hint=_RESTART)
    left = f"restart to use {', '.join(kept)}"
    health.report_problem(SETTINGS, left)
    return left


def _in_force(before: Settings, desired: Settings) -> Settings:
    """The new settings, as far as they can take effect without a restart."""
    return before.model_copy(update={name: getattr(desired, name) for name in LIVE})


def _differences(before: Settings, other: Settings) -> Iterator[str]:
    for section in Settings.model_fields:
        ours, theirs = getattr(before, section), getattr(other, section)
        for key in type(ours).model_fields:
            if getattr(ours, key) != getattr(theirs, key):
                yield f"{section}.{key}"


def _warn_of_effects_without_sender(settings: Settings, store: Store) -> None:
    with suppress(Unavailable):
        warn_of_effects_without_sender(store, lanes_without_sender(settings))
