"""Whether SES sends, by the newest status of the account and of each tenant.

Asked with the driver alone, every few seconds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from worker.core.model import Scope
from worker.core.parsing import as_time
from worker.store import Store

_SCOPES = frozenset(Scope)
MOST_EVENTS = 100_000
"""Events that are looked at, the newest; SES reports a few a year."""
# Of two events of a time the worse one counts: `disabled` is the first by the alphabet.
_NEWEST = f"""
    SELECT scope, tenant, resource, status, verification, occurred_at FROM (
        SELECT
            scope, tenant, resource, status, verification, occurred_at,
            row_number() OVER (
                PARTITION BY account_id, region, scope, tenant, resource
                ORDER BY occurred_at DESC, status
            ) AS place
        FROM account_events
        WHERE kind = 'sending_status'
            AND id > (SELECT coalesce(max(id), 0) FROM account_events) - {MOST_EVENTS}
    ) AS ranked
    WHERE place = 1
    ORDER BY occurred_at DESC, tenant, resource
"""


class SendingStatus(Struct, frozen=True, kw_only=True):
    """The newest status of the account, a tenant, an identity or a configuration set."""

    scope: Scope
    tenant: str
    resource: str
    is_disabled: bool
    """SES does not send. Where SES's API contradicts the event, the API counts."""
    verification: str
    occurred_at: datetime

    @property
    def name(self) -> str:
        """For people: `the account`, `tenant acme`; the names are untrusted."""
        if self.scope is Scope.ACCOUNT:
            return "the account"
        named = self.tenant or self.resource.rpartition("/")[2]
        return f"{self.scope.value.replace('_', ' ')} {named}"


def sending_statuses(store: Store) -> Sequence[SendingStatus]:
    """Return the newest status of each, the latest first.

    Rows that this program cannot read, such as those of a newer one, are left out.

    Raises:
        Unavailable: the database cannot be read now.

    """
    return [status for row in store.ask(_NEWEST) if (status := _status(row))]


def _status(row: Sequence[Any]) -> SendingStatus | None:
    scope, tenant, resource, status, verification, at = row
    occurred_at = as_time(at)
    if scope not in _SCOPES or occurred_at is None:
        return None
    return SendingStatus(
        scope=Scope(scope),
        tenant=tenant,
        resource=resource,
        is_disabled=(status == "disabled") is not (verification == "contradicted"),
        verification=verification,
        occurred_at=occurred_at,
    )
