"""What the path needs of the durable side; `worker.store` provides it, twice."""

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from worker.effects import Owed
from worker.model import DeadLetter, Feedback, Received, User
from worker.page import Page

WRITE_SECONDS = 50.0
"""For one short transaction, where whoever begins it must be done in time (`worker.deadlines`)."""


class Transaction(Protocol):
    """All of it is committed, or none."""

    locked: Collection[str]
    """Keys, of those that `users` was asked for, of users whose rows another session holds."""

    def users(self, email_keys: Collection[str]) -> dict[str, User]:
        """Read those of them that are users, by key; until the end nobody else changes them.

        To be called before anything else.
        """

    def seen(self, feedback: Sequence[Feedback]) -> Collection[str]:
        """Tell which of their dedupe and route keys are on record."""

    def save(self, page: Page) -> None:
        """Write the events, the users as the page leaves them, and the effects that are owed."""

    def owe(self, effects: Sequence[Owed]) -> None:
        """Write effects into the outbox."""

    def quarantine(self, queue: str, received: Received, why: DeadLetter) -> None:
        """Keep a message whole; a second time changes nothing."""


class Books(Protocol):
    """Where it is all written down."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin; the end of the block is a durable commit, an exception a rollback."""

    def probe(self) -> None:
        """Find out whether they can be written, by writing what is rolled back.

        Raises:
            Unavailable, Misconfigured: they cannot.

        """
