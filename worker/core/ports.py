"""The store as the message path needs it; implemented for SQLite and for PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from worker.core.account_events import AccountEvent
from worker.core.effects import OutboxEntry
from worker.core.folding import Recorded
from worker.core.messages import DeadLetter, Received
from worker.core.model import Feedback, User
from worker.core.past import OnRecord
from worker.core.tombstones import Tombstone
from worker.core.unit_of_work import UnitOfWork

WRITE_SECONDS = 50.0
"""Time limit of a short transaction, for a thread with a deadline (`worker.timing.deadlines`)."""


class Transaction(Protocol):
    """A transaction: all of it is committed, or nothing."""

    locked: Collection[str]
    """Of the keys passed to `users`: users whose rows another session has locked."""

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Read and lock the users among these keys; call this before the other methods.

        Returns the users by key. Nobody else changes them until the transaction ends.
        """

    def on_record(self, email_keys: Collection[str]) -> Iterable[Recorded]:
        """Return the events of these addresses, those of each in the order of ids."""

    def shadow_users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Return the records that a second policy has made of users, by key."""

    def known_keys(self, feedback: Sequence[Feedback]) -> Collection[str]:
        """Return which dedupe keys and route keys of the feedback are stored already."""

    def known_account_events(self, events: Sequence[AccountEvent]) -> Collection[str]:
        """Return which dedupe keys of account events are stored already."""

    @property
    def key_id(self) -> str:
        """The key by which people were forgotten; empty: nobody was. Known after `known_keys`."""

    def forgotten(self, digests: Collection[bytes]) -> Iterable[Tombstone]:
        """Return the tombstones with these digests."""

    def past(self, keys: Collection[str]) -> Mapping[str, Sequence[OnRecord]]:
        """Return the newest events of these addresses, `MOST_PAST` of each at most.

        Bounces, complaints, and the deliveries that forgave soft bounces.
        """

    def save(self, unit: UnitOfWork) -> None:
        """Write the events, the changed users and the outbox entries of a unit of work.

        Account events are events, too. What was counted becomes a row of `new_counts`.
        """

    def enqueue(self, effects: Sequence[OutboxEntry]) -> None:
        """Add effects to the outbox."""

    def quarantine(self, queue: str, received: Received, why: DeadLetter) -> None:
        """Store a complete message in the quarantine; a repeated call changes nothing."""


class BatchStore(Protocol):
    """A store that batches are written to."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction: commit durably at the end of the block, roll back on an error."""

    def probe(self) -> None:
        """Test whether the store can be written, by a write that is rolled back.

        Raises:
            Unavailable, Misconfigured: the store cannot be written.

        """
