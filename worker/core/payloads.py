"""What an effect is, and all that its sender needs: the payloads of the outbox, as JSON. Pure."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from worker.core.account_events import AccountEventKind, AccountStatus, Scope, Verification
from worker.core.model import Action, Kind, UserMatch


class EffectKind(StrEnum):
    """What an effect is; `outbox.kind`. Where it is delivered is not in it: that is the lane."""

    BOUNCE_NOTICE = "bounce_notice"
    COMPLAINT_NOTICE = "complaint_notice"
    REMOVAL = "removal"
    """Take an address off the suppression list."""
    REMOVAL_NOTICE = "removal_notice"
    DEAD_LETTER_NOTICE = "dead_letter_notice"
    PARKED_NOTICE = "parked_notice"
    OWN_FAULTS_NOTICE = "own_faults_notice"
    """So many bounces by faults of ours within minutes: an incident."""
    ACCOUNT_NOTICE = "account_notice"
    """SES stopped or resumed sending, or has a finding."""


class NoticeRecipient(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recipient in a notice: what was reported, and what was decided."""

    reported: str
    """As SES spelled it; empty where SES named no recipient."""
    domain: str = ""
    dsn_action: str = ""
    status: str = ""
    diagnostic: str = ""
    fault: str = ""
    """Whose fault a bounce was."""
    match: UserMatch
    action: Action
    reason: str
    """The rule that fired."""
    paused_until: datetime | None = None
    """Of the user, after the decision."""
    blocked: bool = False
    barred: Action | None = None
    """Of an address that is no user: the action by which `do_not_mail` has it all the same."""


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bounce or a complaint, with the recipients that `notify.ignore` does not match."""

    kind: Kind
    type: str | None
    subtype: str | None
    occurred_at: datetime
    feedback_id: str
    ses_message_id: str
    recipients: tuple[NoticeRecipient, ...]
    message: str = ""
    """The whole JSON as SES wrote it; empty where so many came at once that they are folded into a
    digest."""


def is_on_tenants_list(subtype: str | None) -> bool:
    """Return whether a bounce of this sub-type was caused by a tenant's list."""
    return (subtype or "").lower() == "ontenantsuppressionlist"


class Removal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An address to take off the suppression list."""

    reported: str
    mailed: str
    """Local part as reported, domain in lower case: the spelling that is looked up first."""
    key: str
    """The normalised address; looked up where SES does not list the other spelling."""
    type: str | None
    subtype: str | None
    occurred_at: datetime
    tenant: str = ""
    """The tenant's name; empty if the message does not have it."""
    also: tuple[str, ...] = ()
    """Other spellings on record, of a removal that a person requested."""
    asked_by: str = ""
    """The system user who requested it at `occurred_at`; empty: a pattern of the settings did."""
    why: str = ""
    """Why it was requested."""

    @property
    def of_tenant(self) -> bool:
        """It is on a tenant's list, not on the account's; also if an older program wrote this."""
        return is_on_tenants_list(self.subtype)


class RemovalOutcome(StrEnum):
    """The outcome of a removal."""

    REMOVED = "removed"
    STILL_LISTED = "still_listed"
    """SES accepted the call and still lists the address."""
    NOT_LISTED = "not_listed"
    """Looked for several times, over minutes."""
    KEPT_COMPLAINT = "kept_complaint"
    """It is listed for a complaint: only a person may decide to remove it."""
    KEPT_REPEATED = "kept_repeated"
    """It was removed too often lately; a person should look."""
    KEPT_UNWANTED = "kept_unwanted"
    """The current settings no longer ask for its removal."""
    KEPT_NEWER = "kept_newer"
    """It was listed after a person had requested its removal."""
    NOT_POSSIBLE = "not_possible"
    """SES's call cannot name this address (it holds a `/`), or refuses it."""
    UNKNOWN_TENANT = "unknown_tenant"
    """A tenant's list refused the mail, and the message does not name the tenant."""


class RemovalNotice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The outcome of a removal, for people."""

    address: str
    domain: str
    outcome: RemovalOutcome
    response: str
    """SES's last answer, such as `NotFoundException`; or the worker's reason not to call SES."""
    entry: Mapping[str, Any] | None = None
    """The list's entry before the removal: EmailAddress, Reason, LastUpdateTime, Attributes."""
    occurred_at: datetime
    tenant: str = ""
    """The tenant whose list it is; empty: the account's."""
    asked_by: str = ""
    """The system user who requested the removal; empty: nobody did."""
    why: str = ""


class DeadLetterNotice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Dead letters with the same reason."""

    reason: str
    count: int
    where: str
    """The dead-letter queue's name, or `quarantine`."""
    detail: str
    """Detail of the first message, or of the first that claims that SES stopped sending."""
    message_id: str
    """Its SQS message id."""
    occurred_at: datetime


class ParkedNotice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Effects that are not tried again until an operator retries them."""

    what: EffectKind
    effect_id: int
    """Outbox id of the first effect."""
    count: int
    error: str
    attempts: int
    occurred_at: datetime


class AccountNotice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """SES stopped or resumed sending, or opened or closed a finding."""

    kind: AccountEventKind
    status: AccountStatus
    scope: Scope
    resource: str = ""
    """The ARN of the tenant, identity or configuration set; empty: the account."""
    tenant: str = ""
    cause: str = ""
    """Why, as SES says; or the type of the finding."""
    finding: str = ""
    impact: str = ""
    account_id: str = ""
    region: str = ""
    occurred_at: datetime
    dedupe_key: str
    """Of the row in `account_events`."""
    verification: Verification = Verification.REPORTED
    """From here on: what is found out when the notice is delivered, not kept in the outbox."""
    answer: str = ""
    """What SES's API says, or why it was not called."""
    superseded_by: AccountStatus | None = None
    """The status of a newer event of the same resource."""
    superseded_at: datetime | None = None


class OwnFaultsNotice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bounces by faults of our own that came close together; names, the most frequent first."""

    count: int
    since: datetime
    """When the first of them occurred."""
    occurred_at: datetime
    """When the last of them occurred."""
    configuration_sets: tuple[str, ...] = ()
    tenants: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()
    """Domains of our addresses."""
    providers: tuple[str, ...] = ()
    """Domains of the recipients."""
    diagnostic: str
    """Of the last bounce, with masked addresses."""


Payload = (
    Notice
    | Removal
    | RemovalNotice
    | DeadLetterNotice
    | ParkedNotice
    | OwnFaultsNotice
    | AccountNotice
)

PAYLOADS: Mapping[EffectKind, type[Payload]] = {
    EffectKind.BOUNCE_NOTICE: Notice,
    EffectKind.COMPLAINT_NOTICE: Notice,
    EffectKind.REMOVAL: Removal,
    EffectKind.REMOVAL_NOTICE: RemovalNotice,
    EffectKind.DEAD_LETTER_NOTICE: DeadLetterNotice,
    EffectKind.PARKED_NOTICE: ParkedNotice,
    EffectKind.OWN_FAULTS_NOTICE: OwnFaultsNotice,
    EffectKind.ACCOUNT_NOTICE: AccountNotice,
}
