"""Whether SES sends, by the newest status of the account and of each tenant.

Read with the driver alone, every few seconds.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from worker.core.account_events import Scope
from worker.core.parsing import as_time, clip
from worker.store import Store

_SCOPES = frozenset(Scope)
_LONGEST_NAME = 40
"""Characters of a resource's name: the account behind it is to be read, too."""
MOST_EVENTS = 100_000
"""Events that are looked at, the newest; SES reports a few a year."""
# Of two events of a time the worse event counts: `disabled` is the first by the alphabet.
_NEWEST = f"""
    SELECT scope, tenant, resource, status, verification, occurred_at, account_id, region FROM (
        SELECT
            scope, tenant, resource, status, verification, occurred_at, account_id, region,
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
    account_id: str = ""
    region: str = ""

    @property
    def name(self) -> str:
        """For people: `tenant acme of account 111122223333 in eu-west-1`; untrusted names."""
        account = f"account {self.account_id}" if self.account_id else "the account"
        where = f"{account} in {self.region}" if self.region else account
        if self.scope is Scope.ACCOUNT:
            return where
        named = clip(self.tenant or self.resource.rpartition("/")[2], _LONGEST_NAME)
        kind = "unknown resource" if self.scope is Scope.OTHER else self.scope.value
        return f"{kind.replace('_', ' ')} {named} of {where}"


def sending_statuses(store: Store) -> Sequence[SendingStatus]:
    """Return the newest status of each, the latest first.

    Rows that this program cannot read, such as those of a newer program, are left out.

    Raises:
        Unavailable: the database cannot be read now.

    """
    return [status for row in store.ask(_NEWEST) if (status := _status(row))]


def _status(row: Sequence[Any]) -> SendingStatus | None:
    scope, tenant, resource, status, verification, at, account_id, region = row
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
        account_id=account_id,
        region=region,
    )
