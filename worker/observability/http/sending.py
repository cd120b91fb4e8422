"""The gauge of disabled sending: a bounded number of series, whatever tenants are called. Pure."""

from collections.abc import Sequence
from typing import Protocol

from worker.core.account_events import Scope
from worker.core.limits import LONGEST_NAME
from worker.core.masking import sanitized

MOST_TENANTS = 100
"""Tenants with a series of their own: those that are disabled first, then the latest."""
ACCOUNT, OTHER = "account", "other"
"""Labels for the account, and for further tenants, identities and configuration sets."""


class Status(Protocol):
    """The newest sending status of the account, a tenant, an identity or a configuration set."""

    @property
    def scope(self) -> Scope:
        """What it is about."""

    @property
    def tenant(self) -> str:
        """The tenant's name, an untrusted text."""

    @property
    def is_disabled(self) -> bool:
        """SES does not send."""


def by_tenant(statuses: Sequence[Status]) -> dict[str, bool]:
    """Return for each label whether SES does not send; the latest status comes first.

    Tenants with the same name, in several regions, are one; so is a tenant that is called as one of
    the two labels.
    """
    found = {ACCOUNT: False, OTHER: False}
    named = 0
    for status in sorted(statuses, key=lambda status: not status.is_disabled):
        label = ACCOUNT if status.scope is Scope.ACCOUNT else OTHER
        if status.scope is Scope.TENANT and status.tenant:
            own = sanitized(status.tenant[:LONGEST_NAME])
            if own in found or named < MOST_TENANTS:
                named += own not in found
                label = own
        found[label] = found.get(label, False) or status.is_disabled
    return found
