"""Reloads the settings while the worker runs.

The policy and the relay are built anew and replace those in force. The loops, which hold messages,
stay as they are: no message is given back or delayed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import structlog

from worker.app import make_relay
from worker.app.current import Current
from worker.app.in_force import begin_keeping
from worker.app.signatures import warn_if_unverified
from worker.core.errors import Misconfigured, Unavailable
from worker.observability.health import SETTINGS, Health
from worker.observability.log import configure_logging
from worker.service.startup_checks import warn_of_doubts, warn_of_effects_without_sender
from worker.settings import Settings
from worker.signatures.verifying import Verifier
from worker.store import Store

_UNCHANGED = "the previous settings stay in force"
_RESTART = "restart the service to use it: systemctl restart ses-worker"

log = structlog.get_logger()


def _relay_sections(settings: Settings) -> frozenset[str]:
    """The sections that the relay is built from."""
    return frozenset({"notify", "suppression", *settings.channel_sections})


def _live_sections(settings: Settings) -> frozenset[str]:
    """The sections that take effect by a reload.

    The others need a restart: connections and threads are built from them.
    """
    return _relay_sections(settings) | {"log", "policy", "sns", "eventbridge"}


LIVE = _live_sections(Settings())


def reload(
    current: Current,
    read: Callable[[], Settings],
    store: Store,
    health: Health,
    stopping: threading.Event,
    *,
    verifier: Verifier | None = None,
) -> str:
    """Read the settings again and use what needs no restart; return what is left to do.

    Wrong settings change nothing.
    """
    before = current.settings
    try:
        desired = read()
        after = _in_force(before, desired)
        changed, kept = list(_differences(before, after)), list(_differences(after, desired))
        relay_sections = _relay_sections(after)
        new_relay = any(getattr(after, name) != getattr(before, name) for name in relay_sections)
        policy = after.as_policy()
        relay = current.relay
        if new_relay:
            relay = make_relay(after, store, health, on_request=current.on_request)
    except Exception as error:  # a failed reload must not end the worker
        if not isinstance(error, Misconfigured):
            log.exception("settings.failed")
        reason = "; ".join(str(error).splitlines())  # a line for each fault
        log.error("settings.refused", error=reason, hint=_UNCHANGED)  # noqa: TRY400 a trace says nothing
        health.report_problem(SETTINGS, f"refused, {_UNCHANGED}: {reason}")
        return f"the settings to reload are wrong, {_UNCHANGED}"
    configure_logging(after.log.level, json=after.log.as_json)
    current.settings, current.policy, current.log_key = after, policy, after.log_key
    if new_relay:
        current.replace(relay, stopping)
        threading.Thread(
            target=_warn_of_effects_without_sender, args=(after, store), daemon=True
        ).start()
    begin_keeping(store, lambda: current.policy, stopping)
    log.info("settings.reloaded", changed=changed)
    warn_of_doubts(after.doubts)
    if verifier and after.sns.verify is not before.sns.verify:
        warn_if_unverified(verifier, policy.acceptance)
    if not kept:
        health.resolve(SETTINGS)
        return ""
    log.warning("settings.restart_required", settings=kept, hint=_RESTART)
    left = f"restart to use {', '.join(kept)}"
    health.report_problem(SETTINGS, left)
    return left


def _in_force(before: Settings, desired: Settings) -> Settings:
    """Return the new settings, as far as they take effect without a restart."""
    return before.model_copy(
        update={name: getattr(desired, name) for name in _live_sections(before)}
    )


def _differences(before: Settings, other: Settings) -> Iterator[str]:
    for section in type(before).model_fields:
        old, new = getattr(before, section), getattr(other, section)
        for key in type(old).model_fields:
            if getattr(old, key) != getattr(new, key):
                yield f"{section}.{key}"


def _warn_of_effects_without_sender(settings: Settings, store: Store) -> None:
    with suppress(Unavailable):
        warn_of_effects_without_sender(store, settings.lanes, settings.keys_of)
