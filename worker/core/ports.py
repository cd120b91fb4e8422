"""What the message path needs of the store; SQLite and PostgreSQL both provide it."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from worker.core.effects import OutboxEntry
from worker.core.model import DeadLetter, Feedback, Received, User
from worker.core.unit_of_work import UnitOfWork

WRITE_SECONDS = 50.0
"""Time limit of one short transaction of a thread with a deadline (`worker.timing.deadlines`)."""


class Transaction(Protocol):
    """All of it is committed, or none."""

    locked: Collection[str]
    """Keys, of those that `users` was asked for, of users whose rows another session holds."""

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Read those of them that are users, by key; until the end nobody else changes them.

        To be called before anything else.
        """

    def known_keys(self, feedback: Sequence[Feedback]) -> Collection[str]:
        """Return which of their dedupe and route keys are on record."""

    def save(self, unit: UnitOfWork) -> None:
        """Write events, changed users and outbox entries of a unit of work."""

    def enqueue(self, effects: Sequence[OutboxEntry]) -> None:
        """Write effects into the outbox."""

    def quarantine(self, queue: str, received: Received, why: DeadLetter) -> None:
        """Keep a message whole; a second time changes nothing."""


class BatchStore(Protocol):
    """The store, as far as the message path needs it."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; the end of the block is a durable commit, an exception a rollback."""

    def probe(self) -> None:
        """Find out whether they can be written, by writing what is rolled back.

        Raises:
            Unavailable, Misconfigured: they cannot.

        """
