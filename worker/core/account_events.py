"""What SES says about the account: sending stopped or resumed, and findings of its advisor."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from worker.core.model import Route


class AccountEventKind(StrEnum):
    """What SES says about the account (`account_events.kind`)."""

    SENDING_STATUS = "sending_status"
    RECOMMENDATION = "recommendation"
    """A finding of SES's advisor."""


class AccountStatus(StrEnum):
    """What has become of it (`account_events.status`)."""

    DISABLED = "disabled"
    ENABLED = "enabled"
    OPEN = "open"
    RESOLVED = "resolved"


class Scope(StrEnum):
    """What an account event is about (`account_events.scope`)."""

    ACCOUNT = "account"
    TENANT = "tenant"
    IDENTITY = "identity"
    CONFIGURATION_SET = "configuration_set"
    OTHER = "other"
    """A resource of an unknown type: nothing is concluded from it for the account."""


class AccountEvent(Struct, frozen=True, kw_only=True):
    """SES stopped or resumed sending, or found or closed a problem; a row of `account_events`.

    https://docs.aws.amazon.com/ses/latest/dg/monitoring-eventbridge.html
    """

    kind: AccountEventKind
    status: AccountStatus
    scope: Scope
    resource: str
    """The ARN of the tenant, identity or configuration set; empty: the account."""
    tenant: str = ""
    """The tenant's name."""
    cause: str = ""
    """Why sending was stopped or resumed, as SES says; or the type of the finding: `BOUNCE`."""
    finding: str = ""
    """The sentence with which SES describes the finding."""
    impact: str = ""
    account_id: str = ""
    region: str = ""
    route: Route
    occurred_at: datetime | None
    """The status's `lastUpdatedTimestamp`, else EventBridge's time; None if none can be parsed."""
    dedupe_key: str


class NewAccountEvent(Struct, frozen=True, kw_only=True):
    """An account event that was not on record, with its times; becomes a row."""

    event: AccountEvent
    occurred_at: datetime
    """The event's own time; `received_at` if that cannot be parsed, or lies in the future."""
    received_at: datetime


class Verification(StrEnum):
    """Whether SES's own API says the same (`account_events.verification`)."""

    REPORTED = "reported"
    """SES's API was not asked, or gave no answer."""
    CONFIRMED = "confirmed"
    CONTRADICTED = "contradicted"
