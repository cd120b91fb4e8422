"""Watches for bounces by faults of our own that come close together, and gives notice of them."""

import threading
from collections.abc import Iterable
from datetime import timedelta

import structlog

from worker.app.current import Current
from worker.core.messages import Handled
from worker.core.outbox.others import entries_for_own_faults
from worker.core.own_faults import BETWEEN_NOTICES, OwnFault, incident, latest, own_faults
from worker.store import Store
from worker.store.incidents import announce
from worker.timing import clock
from worker.timing.deadlines import within
from worker.timing.retries import when_raced

_NAME = "own_faults"
"""Of the row in `limits` by which all processes agree on a notice an hour."""
_WRITE_SECONDS = 10.0
"""Time limit of the notice's transaction: a poller waits for it."""
_AFTER_A_FAILURE = timedelta(minutes=1)
_HINT = (
    "Mail servers refuse our mail. Check SPF, DKIM and DMARC of these senders, and whether SES's "
    "IP addresses or the domains are on a blocklist; send less until it is found. Recipients can "
    "be spared meanwhile: policy.spare_faults"
)

log = structlog.get_logger()


class OwnFaultWatch:
    """Counts bounces by faults of our own, for all pollers of the process."""

    def __init__(self, store: Store, current: Current) -> None:
        self._store = store
        self._current = current
        self._faults: list[OwnFault] = []
        self._quiet_until = 0.0
        self._lock = threading.Lock()

    def look_at(self, batch: Iterable[Handled]) -> bool:
        """Count what was decided; return whether notices were enqueued."""
        new = own_faults(decision for handled in batch for decision in handled.decisions)
        limit = self._current.settings.notify.own_faults
        if not (new and limit):
            return False
        with self._lock:
            self._faults = latest([*self._faults, *new], limit)
            if clock.now() < self._quiet_until:
                return False
            found = incident(self._faults, new, limit)
            if not found:
                return False
            self._quiet_until = clock.now() + BETWEEN_NOTICES.total_seconds()
        log.warning(
            "bounces.own_faults",
            bounces=found.count,
            since=found.since.isoformat(),
            configuration_sets=found.configuration_sets,
            tenants=found.tenants,
            senders=found.senders,
            providers=found.providers,
            diagnostic=found.diagnostic,
            hint=_HINT,
        )
        entries = entries_for_own_faults(found, new[-1].received_at, self._current.policy.notify)
        if not entries:
            return False
        try:
            with within(_WRITE_SECONDS):
                waits = when_raced(announce, self._store, _NAME, BETWEEN_NOTICES, entries)
        except Exception as error:  # noqa: BLE001 an error of the store must not end the poller
            log.warning("notice.lost", kind=entries[0].kind.value, error=str(error))
            waits = _AFTER_A_FAILURE
        if waits:  # another process has given notice
            with self._lock:
                self._quiet_until = clock.now() + waits.total_seconds()
        return not waits
