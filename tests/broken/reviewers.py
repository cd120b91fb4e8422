"""Broken workers chosen by a reviewer who did not know the oracles."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from broken import broken
from worker.commands.dlq.place import Place
from worker.commands.dlq.replaying import _Work
from worker.consumer.received_batch import ReceivedBatch
from worker.consumer.writing import Writer
from worker.core.dead_letter import DeadLetterMessage
from worker.core.effects import OutboxEntry
from worker.core.messages import Handled, Received
from worker.core.model import Decision, Feedback
from worker.core.unit_of_work import UnitOfWork
from worker.store.sqlite import SqliteStore
from worker.store.sqlite.transaction import SqliteTransaction


@broken("deletes-what-it-could-not-replay", caught_by="I5", schedule="replaying")
def delete_what_it_could_not_replay() -> None:
    """Removes every dead letter that a replay has tried, whatever the outcome."""

    def hasty(self: _Work, place: Place, dead_letters: Sequence[DeadLetterMessage]) -> None:
        verdicts = self._apply(dead_letters)
        place.remove([verdict.dead_letter for verdict in verdicts])
        self._account.judged(verdicts)

    _Work._apply_them = hasty  # type: ignore[method-assign]


@broken("writes-one-user-a-message", caught_by="I2", schedule="quiet")
def write_a_user_per_message() -> None:
    """Collects changed users by message, so that only the last of several recipients is written."""
    decide = UnitOfWork._decide

    def by_message(self: UnitOfWork, item: Feedback, received: Received) -> Decision:
        decision = decide(self, item, received)
        if decision.user and (after := self.changed.pop(decision.user.email_key, None)):
            self.changed[item.notification.feedback_id] = after
        return decision

    UnitOfWork._decide = by_message  # type: ignore[method-assign]


@broken("hands-back-and-asks-again", caught_by="I1", schedule="outage")
def hand_back_and_ask_again() -> None:
    """Releases what the store does not take and receives it again, until SQS redrives it."""

    def take(self: ReceivedBatch, handled: Sequence[Handled]) -> None:
        self.begun = True
        self.handled += handled
        self.left = self.left[len(handled) :]

    def go_on(self: Writer, error: BaseException) -> None:
        self._health.report_problem("store", error)
        if self._give_up:
            self._give_up(error)

    ReceivedBatch.take = take  # type: ignore[method-assign]
    Writer._begin_outage = go_on  # type: ignore[method-assign]


@broken("swallows-a-rollback", caught_by="I5", schedule="outage")
def swallow_a_rollback() -> None:
    """Rolls back and reports nothing, so that messages that were not written are deleted."""
    transaction = SqliteStore.transaction

    @contextmanager
    def silent(self: SqliteStore) -> Iterator[SqliteTransaction]:
        with suppress(Exception), transaction(self) as opened:
            yield opened

    SqliteStore.transaction = silent  # type: ignore[method-assign]


@broken("owes-after-commit", caught_by="I3", schedule="torn")
def enqueue_after_commit() -> None:
    """Writes outbox entries after the commit, in a transaction of their own."""
    transaction = SqliteStore.transaction

    @contextmanager
    def in_two(self: SqliteStore) -> Iterator[SqliteTransaction]:
        entries: list[OutboxEntry] = []
        with transaction(self) as opened:
            setattr(opened, SqliteTransaction.enqueue.__name__, entries.extend)
            yield opened
        if entries:
            with transaction(self) as opened:
                opened.enqueue(entries)

    SqliteStore.transaction = in_two  # type: ignore[method-assign]
