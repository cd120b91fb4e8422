"""Shows how the record of an address came about, event by event. Pure.

Events are folded in the order in which they occurred. The worker may have received them in another
order; the record that they end in is the same.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from worker.core.folding import FirstRecord, Fold, Person, Recorded, empty_user
from worker.core.model import User
from worker.core.policy import Policy
from worker.core.tombstones import REASON, Tombstone, barred_by


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
    """The changes end in the pause and block that the user has; without a user always True."""
    begins_with_tombstone: bool = False
    """The user was forgotten before: the record began with what was kept."""


def retold(
    key: str,
    user: User | None,
    first: FirstRecord | None,
    events: Sequence[Recorded],
    policy: Policy,
    *,
    tombstone: Tombstone | None = None,
) -> Retold:
    """Fold all events of an address by a policy, from the record with which a user began.

    An event that is part of that first record has no change of its own. Where that does not make
    the record of a user who was forgotten before, it began with the tombstone.
    """
    retelling = _retold(key, user, first, events, policy)
    if retelling.is_the_record or user is None or tombstone is None:
        return retelling
    begun = first or FirstRecord(empty_user(key), 0)
    barred = FirstRecord(barred_by(begun.record, tombstone), begun.after_event)
    again = _retold(key, user, barred, events, policy)
    is_over = user.pause_reason == REASON and tombstone.paused_until is None
    if again.is_the_record or is_over:
        return replace(again, is_the_record=True, begins_with_tombstone=True)
    return retelling


def _retold(
    key: str,
    user: User | None,
    first: FirstRecord | None,
    events: Sequence[Recorded],
    policy: Policy,
) -> Retold:
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
