"""What happened to an address before, as far as a policy with a memory needs it. Pure.

The table `events` keeps all that a rule looks at, so that an earlier event can be judged again.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from worker.core.model import Action, Feedback, User
from worker.core.policy import Policy, is_refusal, rule_for

FORGIVENESS = "forgiveness"
"""`events.kind` of a row that says when a delivery forgave soft bounces; SES has no such event."""


class PastEvent(Struct, frozen=True):
    """A bounce or a complaint that may have paused mail, as the policy judges it."""

    occurred_at: datetime
    action: Action
    """`AUTO_BLOCK_SPAM`: a complaint that blocks for a time only."""
    refused: bool = False
    """SES itself refused to send."""


class Past(Struct, frozen=True):
    """The past of an address, in any order."""

    events: tuple[PastEvent, ...] = ()
    forgiven_at: datetime | None = None
    """The latest delivery on record that forgave soft bounces; it forgives all before it."""

    def and_then(self, event: PastEvent | None) -> "Past":
        """Add an event; None adds nothing."""
        return Past((*self.events, event), self.forgiven_at) if event else self

    def forgiven(self, at: datetime) -> "Past":
        """Add a delivery that forgave."""
        return Past(self.events, max(at, self.forgiven_at or at))


NOTHING = Past()
_PAUSES = (Action.HARD_BOUNCE, Action.SOFT_BOUNCE)
_ANYBODY = User(email="", email_key="")
"""Whether a bounce or complaint pauses does not depend on the user's record."""


def past_event(feedback: Feedback, occurred_at: datetime, policy: Policy) -> PastEvent | None:
    """Judge an event, new or old; None: it can neither pause nor block for a time."""
    rule = rule_for(feedback, _ANYBODY, policy)
    if rule.is_timed or rule.action in _PAUSES:
        return PastEvent(occurred_at, rule.action, is_refusal(feedback))
    return None


def past_of(events: Iterable[tuple[Feedback, datetime]], policy: Policy) -> Past:
    """Judge the events of an address."""
    judged = (past_event(feedback, at, policy) for feedback, at in events)
    return Past(tuple(event for event in judged if event))
