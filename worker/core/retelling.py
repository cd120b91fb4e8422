"""Tells how the record of an address came about, event by event. Pure.

Events are folded in the order in which they occurred. The worker may have received them in another
order; the record that they end in is the same.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter

from msgspec import Struct

from worker.core.folding import FirstRecord, Fold, Person, Recorded
from worker.core.model import User
from worker.core.policy import Policy


class Change(Struct, frozen=True):
    """A record before and after an event."""

    before: User
    after: User

    @property
    def blocks(self) -> bool:
        """Whether the event has blocked the address."""
        return self.after.auto_block_spam and not self.before.auto_block_spam

    @property
    def pauses(self) -> bool:
        """Whether the event has set the pause, or moved its end."""
        until = self.after.paused_until
        return until is not None and until != self.before.paused_until


class Retold(Struct, frozen=True):
    """The changes by the ids of events."""

    changes: Mapping[int, Change]
    is_the_record: bool
    """The changes end in the pause and block that the user has; of a stranger always True."""


def retold(
    key: str,
    user: User | None,
    first: FirstRecord | None,
    events: Sequence[Recorded],
    policy: Policy,
) -> Retold:
    """Fold all events of an address by a policy, from the record with which a user began.

    An event that is part of that first record has no change of its own.
    """
    person = Person(key, user, first)
    fold = Fold(person.start, policy)
    changes: dict[int, Change] = {}
    for event in sorted(events, key=attrgetter("occurred_at", "id")):
        if not person.takes(event):
            fold.remember(event)
            continue
        before = fold.user
        fold.add(event)
        changes[event.id] = Change(before, fold.user)
    return Retold(changes, user is None or _barred(user) == _barred(fold.user))


def _barred(user: User) -> tuple[object, ...]:
    return user.auto_block_spam, user.paused_until, user.pause_reason
