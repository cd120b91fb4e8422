"""The page of the books that a batch is written on: what stands there, and what comes to.

Pure. Each piece of feedback is decided on the users as the one before it left them, so that two
in one batch mean the same as one in each of two.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from worker.decide import decide
from worker.decode import Decoded
from worker.effects import Owed
from worker.errors import Locked
from worker.model import (
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
from worker.owing import owed_for
from worker.policy import Policy, UnknownRecipients

_MOST_NAMED = 5
"""Recipients that nobody knows, in what is said of a message."""


class Page:
    """Keys and users as the books have them, then as the batch changes them."""

    def __init__(
        self,
        policy: Policy,
        seen: Iterable[str],
        users: Mapping[str, User],
        locked: Collection[str] = (),
    ) -> None:
        self._policy = policy
        self._seen = set(seen)
        self._users = dict(users)
        self._locked = locked
        """Keys of users who are there and could not be read."""
        self.decisions: list[Decision] = []
        self.owed: list[Owed] = []
        self.created: dict[str, User] = {}
        self.changed: dict[str, User] = {}

    def enter(self, received: Received, content: Decoded) -> Handled:
        """Decide on one message; say what becomes of it once the page is committed."""
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
            is_new = item.dedupe_key not in self._seen and item.route_key not in self._seen
            if is_new and item.address and item.address.key in self._locked:
                return Locked(f"another session holds the row of a user at {item.address.domain}")
        return None

    def _enter(self, received: Received, feedback: Sequence[Feedback]) -> Handled:
        decisions: list[Decision] = []
        strangers: list[str] = []
        for item in feedback:
            if item.dedupe_key in self._seen or item.route_key in self._seen:
                continue
            if self._must_wait(item):
                strangers.append(f"***@{item.address.domain}" if item.address else "")
            else:
                decisions.append(self._decide(item, received))
        self.decisions += decisions
        whole = len(self.owed) < self._policy.kept_whole
        self.owed += owed_for(decisions, self._policy, whole=whole)
        if strangers:
            who = ", ".join(strangers[:_MOST_NAMED]) + (", …" if strangers[_MOST_NAMED:] else "")
            count = f"{len(strangers)} of {len(feedback)}"
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
        self._seen |= {item.dedupe_key, item.route_key}
        before = self._users.get(item.address.key) if item.address else None
        decision = decide(item, before, self._policy, received.received_at)
        after = decision.user
        if after is not None and after is not before:
            self._users[after.email_key] = after
            new = decision.match is UserMatch.MISSING or after.email_key in self.created
            (self.created if new else self.changed)[after.email_key] = after
        return decision
