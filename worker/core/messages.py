"""A message as it comes from SQS, and what becomes of it: delete, release or dead-letter."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from worker.core.account_events import NewAccountEvent
from worker.core.errors import Locked, Misconfigured, Unavailable
from worker.core.model import Decision, Ignored, Outcome, Reason


class Received(Struct, frozen=True, kw_only=True):
    """A message as received from SQS, with our lease on it."""

    message_id: str
    body: str
    receipt_handle: str
    receive_count: int
    """SQS's `ApproximateReceiveCount`. It is approximate: use it for back-off only."""
    received_at: datetime
    lease_until: float
    """When the visibility timeout ends, in seconds of `worker.timing.clock`."""
    sent_at: datetime | None = None
    attributes: Mapping[str, Any] = {}
    """SQS's `MessageAttributes`, in the format of the API."""
    sender: str = ""
    """Who sent it, by SQS's `SenderId`, which no sender can choose; empty: unknown."""
    verified: bool = False
    """SNS's signature held, and was taken off with a person whom the message named."""


class Delete(Struct, frozen=True):
    """Delete the message from the queue: its changes are committed, or it has none."""

    outcome: Outcome


class Release(Struct, frozen=True):
    """Return the message to the queue; it becomes visible again after `seconds`."""

    seconds: float
    begun: bool = True
    """False: processing never started, so the message has no outcome."""


class DeadLetter(Struct, frozen=True):
    """Dead-letter the message with the reason, then delete it from the queue."""

    reason: Reason
    detail: str = ""


Disposition = Delete | Release | DeadLetter


class Handled(Struct, frozen=True):
    """A processed message: its disposition, and the decisions that it caused."""

    received: Received
    disposition: Disposition
    decisions: Sequence[Decision] = ()
    ignored: Ignored | None = None
    error: Exception | None = None
    """The error that stopped this message, if any."""
    account_events: Sequence[NewAccountEvent] = ()
    is_counted: bool = False
    """What it says was counted, in the same commit."""

    @property
    def is_new(self) -> bool:
        """The message has added rows, and perhaps effects."""
        return bool(self.decisions or self.account_events)

    @property
    def met_an_outage(self) -> bool:
        """The store was unavailable: the error has nothing to do with this message."""
        if self.error is None:
            return False
        return isinstance(self.error, Unavailable | Misconfigured) and not self.is_locked_out

    @property
    def is_locked_out(self) -> bool:
        """Another session holds row locks that this message needs; other messages are not held."""
        return isinstance(self.error, Locked)

    @property
    def proves_store_works(self) -> bool:
        """The message was committed or found to be a duplicate, so the store can be written."""
        if self.is_counted:
            return True
        return self.disposition in (Delete(Outcome.APPLIED), Delete(Outcome.DUPLICATE))
