"""Lets a second policy (`policy.shadow`) decide beside the policy in force. Pure.

Its records are written in the same transaction, and nobody acts on them.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from worker.core.decide import decide
from worker.core.memory import Memory
from worker.core.model import Decision, User
from worker.core.past import Past
from worker.core.policy import Policy


class Shadow:
    """The records that the second policy makes in a batch."""

    def __init__(
        self, policy: Policy, records: Mapping[str, User], past: Mapping[str, Past]
    ) -> None:
        """`records`: those that the second policy has made so far; `past`: as it judges it."""
        self.forgives = policy.forgives
        """Whether a delivery changes what the policy decides."""
        self._policy = policy
        self._records = dict(records)
        self._memory = Memory(policy)
        self._memory.take_in(past)
        self.changed: dict[str, User] = {}
        """Records to write, by address."""

    def follow(self, decisions: Iterable[Decision], before: Mapping[str, User]) -> None:
        """Decide again about what was decided about users.

        A record begins as the user's own record was `before` the batch.
        """
        for decision in decisions:
            if decision.user is None:
                continue
            record = self._record(decision.user.email_key, before)
            feedback, received_at = decision.feedback, decision.received_at
            if self._policy.needs_past:
                judged = self._memory.decide(feedback, record, received_at)
            else:
                judged = decide(feedback, record, self._policy, received_at)
            self._keep(judged.user or record)

    def deliver(self, key: str, at: datetime, before: Mapping[str, User]) -> None:
        """Note a delivery to a user."""
        self._keep(self._memory.deliver(self._record(key, before), at, at))

    def _record(self, key: str, before: Mapping[str, User]) -> User:
        return self._records.get(key) or before.get(key) or User(email=key, email_key=key)

    def _keep(self, record: User) -> None:
        self._records[record.email_key] = self.changed[record.email_key] = record
