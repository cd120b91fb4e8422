"""What happened to an address before, as far as a policy with a memory needs it. Pure.

The table `events` keeps all that a rule looks at, so that an earlier event can be judged again.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from worker.core.model import Action, Feedback, User
from worker.core.policy import Policy, is_refusal, rule_for

MOST_PAST = 500
"""The newest events of an address that are looked at. It bounds the time of a decision about an
address that bounces for ever; of 100 soft bounces within 90 days, the most that a policy can ask
for, it sees each."""


class OnRecord(Struct, frozen=True):
    """An event of an address that the store has."""

    occurred_at: datetime
    feedback: Feedback | None
    """What rules look at of a bounce or complaint; None: a delivery forgave soft bounces."""


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


def past_of(events: Iterable[OnRecord], policy: Policy) -> Past:
    """Judge the events of an address."""
    judged = []
    forgiven_at = None
    for event in events:
        if event.feedback is None:
            forgiven_at = max(event.occurred_at, forgiven_at or event.occurred_at)
        elif found := past_event(event.feedback, event.occurred_at, policy):
            judged.append(found)
    return Past(tuple(judged), forgiven_at)
