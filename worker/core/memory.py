"""What a batch knows of the past of addresses, where the policy asks for it. Pure."""

from collections.abc import Mapping
from datetime import datetime

from worker.core.decide import decide, forgive
from worker.core.model import Decision, Feedback, Forgiveness, User
from worker.core.past import NOTHING, Past, past_event
from worker.core.pausing import forgives_first
from worker.core.policy import Policy


def may_forgive(user: User) -> bool:
    """Return whether a delivery to a user may forgive soft bounces that none has forgiven.

    Only then the past of the user is read: most users have no soft bounce.
    """
    last, delivered = user.last_soft_bounce, user.last_delivery
    return last is not None and (delivered is None or last >= delivered or user.soft_bounce_refused)


class Memory:
    """The past of addresses, as the store has it and as the batch adds to it."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._past: dict[str, Past] = {}
        self.forgivenesses: list[Forgiveness] = []
        """Deliveries that forgave; each becomes a row of `events`."""

    def take_in(self, past: Mapping[str, Past]) -> None:
        """Add what the store has."""
        self._past |= past

    def decide(self, item: Feedback, user: User | None, received_at: datetime) -> Decision:
        """Decide on feedback, and remember it."""
        key = item.address.key if item.address else ""
        past = self._past.get(key, NOTHING)
        decision = decide(item, user, self._policy, received_at, past)
        event = past_event(item, decision.occurred_at, self._policy)
        self._past[key] = past.and_then(event)
        if self._policy.forgives and decision.user:
            self._forgive_late(decision.user, received_at)
        return decision

    def _forgive_late(self, user: User, received_at: datetime) -> None:
        """Keep the delivery that came before the soft bounce, and had nothing to forgive then."""
        at = user.last_delivery
        if at and forgives_first(at, user, self._past[user.email_key]):
            self._forgive(user, at, received_at)

    def deliver(self, user: User, at: datetime, received_at: datetime) -> User:
        """Return the record of a user to whom a mail was delivered."""
        if user.last_delivery and at <= user.last_delivery:
            return user
        past = self._past.get(user.email_key, NOTHING)
        after, forgives = forgive(user, at, self._policy, past)
        if forgives:
            self._forgive(after, at, received_at)
        return after

    def _forgive(self, user: User, at: datetime, received_at: datetime) -> None:
        key = user.email_key
        self.forgivenesses.append(Forgiveness(key, at, received_at))
        self._past[key] = self._past[key].forgiven(at)
