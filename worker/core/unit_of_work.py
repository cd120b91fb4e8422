"""The unit of work of a batch: what the store has, and what the batch changes.

Pure. Each piece of feedback is decided on the users as the previous piece left them, so that two
in a batch mean the same as two batches.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from worker.core.decide import decide
from worker.core.decode import Decoded
from worker.core.effects import OutboxEntry
from worker.core.errors import Locked
from worker.core.model import (
    DeadLetter,
    Decision,
    Delete,
    Feedback,
    Handled,
    Ignored,
    Malformed,
    Outcome,
    Reason,
    Received,
    Release,
    User,
    UserMatch,
)
from worker.core.outbox import entries_for
from worker.core.policy import Policy, UnknownRecipients

_MOST_NAMED = 5
"""Unknown recipients named in the detail of a dead letter."""


class UnitOfWork:
    """Keys and users as the store has them, then as the batch changes them."""

    def __init__(
        self,
        policy: Policy,
        known_keys: Iterable[str],
        users: Mapping[str, User],
        locked: Collection[str] = (),
    ) -> None:
        self._policy = policy
        self._known_keys = set(known_keys)
        self._users = dict(users)
        self._locked = locked
        """Keys of users who are there and could not be read."""
        self.decisions: list[Decision] = []
        self.entries: list[OutboxEntry] = []
        self.created: dict[str, User] = {}
        self.changed: dict[str, User] = {}

    def enter(self, received: Received, content: Decoded) -> Handled:
        """Decide on a message; return its disposition, valid once the unit is committed."""
        match content:
            case Malformed():
                return Handled(received, DeadLetter(content.reason, content.detail))
            case Ignored():
                return Handled(received, Delete(Outcome.IGNORED), ignored=content)
            case feedback:
                if self._locked and (locked := self._locked_out(feedback)):
                    return Handled(received, Release(0), error=locked)
                return self._enter(received, feedback)

    def _locked_out(self, feedback: Sequence[Feedback]) -> Locked | None:
        """Tell of a user whom the message would change and who could not be read."""
        for item in feedback:
            is_new = (
                item.dedupe_key not in self._known_keys and item.route_key not in self._known_keys
            )
            if is_new and item.address and item.address.key in self._locked:
                return Locked(f"another session holds the row of a user at {item.address.domain}")
        return None

    def _enter(self, received: Received, feedback: Sequence[Feedback]) -> Handled:
        decisions: list[Decision] = []
        unknown_recipients: list[str] = []
        for item in feedback:
            if item.dedupe_key in self._known_keys or item.route_key in self._known_keys:
                continue
            if self._must_wait(item):
                unknown_recipients.append(f"***@{item.address.domain}" if item.address else "")
            else:
                decisions.append(self._decide(item, received))
        self.decisions += decisions
        whole = len(self.entries) < self._policy.kept_whole
        self.entries += entries_for(decisions, self._policy, whole=whole)
        if unknown_recipients:
            who = ", ".join(unknown_recipients[:_MOST_NAMED]) + (
                ", …" if unknown_recipients[_MOST_NAMED:] else ""
            )
            count = f"{len(unknown_recipients)} of {len(feedback)}"
            detail = f"{count} recipients are not among the users: {who}"
            return Handled(received, DeadLetter(Reason.UNKNOWN_RECIPIENT, detail), decisions)
        outcome = Outcome.APPLIED if decisions else Outcome.DUPLICATE
        return Handled(received, Delete(outcome), decisions)

    def _must_wait(self, item: Feedback) -> bool:
        """Left without a row, so that a replay can do it once the user exists."""
        return (
            self._policy.unknown_recipients is UnknownRecipients.DEAD_LETTER
            and item.address is not None
            and item.address.key not in self._users
        )

    def _decide(self, item: Feedback, received: Received) -> Decision:
        self._known_keys |= {item.dedupe_key, item.route_key}
        before = self._users.get(item.address.key) if item.address else None
        decision = decide(item, before, self._policy, received.received_at)
        after = decision.user
        if after is not None and after is not before:
            self._users[after.email_key] = after
            new = decision.match is UserMatch.MISSING or after.email_key in self.created
            (self.created if new else self.changed)[after.email_key] = after
        return decision
