"""Effects: the nouns of the outbox. Pure; `worker.core.outbox` decides which effects are enqueued.

An effect is written in the transaction of the decision that causes it, and delivered later by the
relay. Its lane says where it is delivered: to a notice channel, or to the suppression list.
Its payload is all that a sender needs; its summary is the little that a digest needs.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NewType

import msgspec
from msgspec import Struct

from worker.core.payloads import PAYLOADS, EffectKind, Payload

Lane = NewType("Lane", str)
"""The way to a destination, with a rate limit and failures of its own; `outbox.lane`.

Each configured notice channel has a lane, which is named after its settings section: `slack`.
"""
SUPPRESSION = Lane("suppression")
"""Removals from the suppression list, by the patterns of `suppression.remove`."""
ASKED_REMOVALS = Lane("asked_removals")
"""Removals that a person requested. They do not wait behind the others, and are done by any process
that finds them, whatever the settings say. All other lanes are notice channels."""
URGENT = frozenset({EffectKind.ACCOUNT_NOTICE, EffectKind.OWN_FAULTS_NOTICE})
"""They go out before all others of their lane, each by itself and never in a digest."""
BEFORE_ALL_OTHERS = datetime(1970, 1, 1, tzinfo=UTC)
"""`due_at` of an urgent effect: a lane delivers in the order of `due_at`."""


class Summary(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"label": "sort"}):
    """What a digest shows of an effect; as JSON in `outbox.summary`, where the label is `sort`."""

    label: str
    """Groups effects of a kind in a digest: `Permanent/General`, `abuse`, `removed`, a reason."""
    domains: Mapping[str, int]
    """Recipients (or messages) by mail provider; `` where there is none."""
    faults: Mapping[str, int] = {}
    """Recipients of a bounce by whose fault it was."""
    sample: str = ""
    """A masked address."""
    occurred_at: datetime


class OutboxEntry(Struct, frozen=True, kw_only=True):
    """An effect that is about to be written to the outbox."""

    kind: EffectKind
    lane: Lane
    """Where it is delivered."""
    payload: Payload
    summary: Summary
    feedback_id: str = ""
    ses_message_id: str = ""
    recipient: str = ""
    """The normalised address, where the effect concerns a single address."""
    created_at: datetime

    @property
    def due_at(self) -> datetime:
        """When it may be delivered."""
        return BEFORE_ALL_OTHERS if self.kind in URGENT else self.created_at


class Effect(Struct, frozen=True, kw_only=True):
    """A claimed outbox entry."""

    id: int
    kind: EffectKind
    attempts: int
    """Tries, including the current try."""
    created_at: datetime
    feedback_id: str = ""
    ses_message_id: str = ""
    recipient: str = ""
    """The normalised address, where the effect concerns a single address."""
    summary: Summary
    payload: str = ""
    """JSON; empty where the effect is claimed for a digest."""

    def read(self) -> Payload:
        """Decode the payload.

        Raises:
            ValueError: a newer program wrote it.

        """
        return msgspec.json.decode(self.payload, type=PAYLOADS[self.kind])


class Sent(Struct, frozen=True, kw_only=True):
    """Delivered."""

    result: str = ""
    """The service's answer, for people."""


class Later(Struct, frozen=True, kw_only=True):
    """The service is unavailable or busy: the lane can deliver nothing now."""

    error: str
    seconds: float | None = None
    """The delay that the service requests."""
    busy: bool = False
    """It works, and limits the rate of calls: HTTP status 429."""


class NotYet(Struct, frozen=True, kw_only=True):
    """This effect is tried again after `seconds`; the lane's other effects are not affected."""

    error: str
    seconds: float


class Unfit(Struct, frozen=True, kw_only=True):
    """This effect can never be delivered."""

    error: str


class Blocked(Struct, frozen=True, kw_only=True):
    """A configuration error: nothing can be delivered until an operator fixes it."""

    error: str
    """What is wrong; behind the last `: ` what the operator should do, which `check` shows."""


Delivery = Sent | Later | NotYet | Unfit | Blocked
