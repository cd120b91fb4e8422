"""Effects: the nouns of the outbox. Pure; `worker.core.outbox` decides which effects are enqueued.

An effect is written in the transaction of the decision that causes it, and delivered later by the
relay. Its payload is all that a sender needs; its summary is the little that a digest needs.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from worker.core.model import Action, Kind, UserMatch


class EffectKind(StrEnum):
    """The kind of an effect; `outbox.kind`."""

    BOUNCE_NOTICE = "bounce_notice"
    COMPLAINT_NOTICE = "complaint_notice"
    REMOVAL = "removal"
    """An address is to be taken off the suppression list."""
    REMOVAL_NOTICE = "removal_notice"
    DEAD_LETTER_NOTICE = "dead_letter_notice"
    PARKED_NOTICE = "parked_notice"

    @property
    def lane(self) -> "Lane":
        """Who delivers it."""
        return Lane.SUPPRESSION if self is EffectKind.REMOVAL else Lane.SLACK


class Lane(StrEnum):
    """A remote service each, with failures and a rate limit of its own; `outbox.lane`."""

    SLACK = "slack"
    SUPPRESSION = "suppression"


class NoticeRecipient(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A recipient in a notice: what was reported, and what was decided."""

    reported: str
    """As SES spelled it; empty where it named nobody."""
    domain: str = ""
    dsn_action: str = ""
    status: str = ""
    diagnostic: str = ""
    match: UserMatch
    action: Action
    reason: str
    """The rule that fired."""
    paused_until: datetime | None = None
    """Of the user, after the decision."""
    blocked: bool = False


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A bounce or a complaint, for those of its recipients that somebody is to hear about."""

    kind: Kind
    type: str | None
    subtype: str | None
    occurred_at: datetime
    feedback_id: str
    ses_message_id: str
    recipients: tuple[NoticeRecipient, ...]
    message: str = ""
    """The whole JSON as SES wrote it; empty where so many came at once that they are folded."""


class Removal(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An address that is to be taken off the suppression list."""

    reported: str
    mailed: str
    """Local part as reported, domain in lower case: the spelling that is looked up first."""
    key: str
    """The normalised address; looked up where SES does not know the other spelling."""
    type: str | None
    subtype: str | None
    occurred_at: datetime


class RemovalOutcome(StrEnum):
    """What became of a removal."""

    REMOVED = "removed"
    STILL_LISTED = "still_listed"
    """SES took the call and lists the address all the same."""
    NOT_LISTED = "not_listed"
    """Looked for several times, over minutes."""
    KEPT_COMPLAINT = "kept_complaint"
    """It is listed for a complaint, which takes a person's word to undo."""
    KEPT_REPEATED = "kept_repeated"
    """It was taken off too often lately; a person should look."""
    KEPT_UNWANTED = "kept_unwanted"
    """The settings, as they are now, do not ask for it any more."""
    NOT_POSSIBLE = "not_possible"
    """SES's call cannot name this address (it holds a `/`), or refuses it."""


class RemovalNotice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a removal, for people."""

    address: str
    domain: str
    outcome: RemovalOutcome
    response: str
    """SES's last answer, such as `NotFoundException`; or our own reason not to call it."""
    entry: Mapping[str, Any] | None = None
    """The entry of the list as it was: EmailAddress, Reason, LastUpdateTime, Attributes."""
    occurred_at: datetime


class DeadLetterNotice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Dead letters with the same reason."""

    reason: str
    count: int
    where: str
    """The dead-letter queue's name, or `quarantine`."""
    detail: str
    """Of the first of them."""
    message_id: str
    """SQS's, of the first of them."""
    occurred_at: datetime


class ParkedNotice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Effects that will not be tried again until somebody says so."""

    what: EffectKind
    effect_id: int
    """Of the first of them."""
    count: int
    error: str
    attempts: int
    occurred_at: datetime


Payload = Notice | Removal | RemovalNotice | DeadLetterNotice | ParkedNotice

PAYLOADS: Mapping[EffectKind, type[Payload]] = {
    EffectKind.BOUNCE_NOTICE: Notice,
    EffectKind.COMPLAINT_NOTICE: Notice,
    EffectKind.REMOVAL: Removal,
    EffectKind.REMOVAL_NOTICE: RemovalNotice,
    EffectKind.DEAD_LETTER_NOTICE: DeadLetterNotice,
    EffectKind.PARKED_NOTICE: ParkedNotice,
}


class Summary(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The line of a digest that an effect becomes a part of."""

    sort: str
    """What it is grouped by beside its kind: `Permanent/General`, `abuse`, `removed`, a reason."""
    domains: Mapping[str, int]
    """Recipients (or messages) by mail provider; `` where there is none."""
    sample: str = ""
    """Masked."""
    occurred_at: datetime


class OutboxEntry(Struct, frozen=True, kw_only=True):
    """An effect that is about to be written down."""

    kind: EffectKind
    payload: Payload
    summary: Summary
    feedback_id: str = ""
    ses_message_id: str = ""
    recipient: str = ""
    """The normalised address, where it is about one."""
    created_at: datetime


class Effect(Struct, frozen=True, kw_only=True):
    """A row of the outbox, claimed."""

    id: int
    kind: EffectKind
    attempts: int
    """This one included."""
    created_at: datetime
    feedback_id: str = ""
    ses_message_id: str = ""
    recipient: str = ""
    """The normalised address, where it is about one."""
    summary: Summary
    payload: str = ""
    """JSON; empty where it is claimed for a digest."""

    def read(self) -> Payload:
        """Its payload.

        Raises:
            ValueError: it was written by a newer program.

        """
        return msgspec.json.decode(self.payload, type=PAYLOADS[self.kind])


class Sent(Struct, frozen=True, kw_only=True):
    """Delivered."""

    result: str = ""
    """What there is to remember of it, for people."""


class Later(Struct, frozen=True, kw_only=True):
    """The service is unavailable or busy: nothing of this lane can be delivered now."""

    error: str
    seconds: float | None = None
    """The delay that the service requests."""


class NotYet(Struct, frozen=True, kw_only=True):
    """This effect is to be tried again, after `seconds`; the others are not concerned."""

    error: str
    seconds: float


class Unfit(Struct, frozen=True, kw_only=True):
    """This effect can never be delivered."""

    error: str


class Blocked(Struct, frozen=True, kw_only=True):
    """A configuration error: nothing can be delivered until an operator fixes it."""

    error: str


Delivery = Sent | Later | NotYet | Unfit | Blocked
