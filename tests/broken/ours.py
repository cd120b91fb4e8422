"""Broken workers by the author of the oracles."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from itertools import count
from typing import Any

from broken import broken
from worker.consumer import Consumer
from worker.consumer.message_budget import MessageBudget
from worker.consumer.settling import Settler
from worker.consumer.writing import Writer
from worker.core.decode import reports
from worker.core.keys import feedback_keys
from worker.core.messages import Handled, Received
from worker.core.unit_of_work import UnitOfWork
from worker.sqs import queue
from worker.store.sqlite import SqliteStore
from worker.store.sqlite.transaction import SqliteTransaction


@broken("acknowledges-before-commit", caught_by="I5")
def acknowledge_before_commit() -> None:
    """Deletes the messages it received, then writes them."""
    write, queues = Writer.write, []
    make = Settler.__init__

    @wraps(make)
    def remembering(self: Settler, *number: Any, **parts: Any) -> None:
        queues.append(parts["queue"])
        make(self, *number, **parts)

    def hasty(self: Writer, messages: Sequence[Received]) -> list[Handled]:
        for start in range(0, len(messages), queue.LARGEST_BATCH):
            queues[0].delete(messages[start : start + queue.LARGEST_BATCH])
        return write(self, messages)

    Settler.__init__ = remembering  # type: ignore[method-assign]
    Writer.write = hasty  # type: ignore[method-assign]


@broken("ignores-failed", caught_by="F18", schedule="settling")
def ignore_failed() -> None:
    """Takes a 200 for a success, whatever its list of failures says."""
    queue.failed_entries = lambda *_: []


@broken("leaks-a-permit", caught_by="I6", schedule="quiet")
def leak_a_permit() -> None:
    """Leaks a permit at each receive, so that it may hold fewer and fewer messages."""
    give_back = MessageBudget.give_back

    def leaking(self: MessageBudget, granted: int, used: int) -> None:
        give_back(self, granted, used + bool(self._left))

    MessageBudget.give_back = leaking  # type: ignore[method-assign]


@broken("swallows-a-dead-thread", caught_by="I9", schedule="mortal")
def swallow_a_dead_thread() -> None:
    """Goes on without the dead thread, and reports nothing."""
    Consumer.fail = lambda *_: None  # type: ignore[method-assign]


@broken("replays-without-dedupe", caught_by="I2", schedule="quiet")
def replay_without_dedupe() -> None:
    """Gives a repeated message new keys, so that no index notices it either."""

    def anew(*what: Any) -> tuple[str, str]:
        dedupe, route = feedback_keys(*what)
        return f"{dedupe}{secrets.token_hex(4)}", f"{route}{secrets.token_hex(4)}"

    setattr(reports, feedback_keys.__name__, anew)


@broken("loses-one-commit-in-forty", caught_by="I5", schedule="quiet")
def lose_one_commit_in_forty() -> None:
    """Rolls back every fortieth commit and reports nothing."""
    transaction, numbers = SqliteStore.transaction, count(1)

    class Lost(Exception):
        pass

    @contextmanager
    def losing(self: SqliteStore) -> Iterator[SqliteTransaction]:
        with suppress(Lost), transaction(self) as opened:
            yield opened
            if next(numbers) % 40 == 0:
                raise Lost

    SqliteStore.transaction = losing  # type: ignore[method-assign]


@broken("writes-one-user-a-commit", caught_by="I2", schedule="quiet")
def write_one_user_a_commit() -> None:
    """Writes only the first changed user of a commit, and all of its events."""
    save = SqliteTransaction.save

    def partly(self: SqliteTransaction, unit: UnitOfWork) -> None:
        unit.changed = dict(list(unit.changed.items())[:1])
        save(self, unit)

    SqliteTransaction.save = partly  # type: ignore[method-assign]


@broken("takes-all-recipients-for-one", caught_by="I5", schedule="quiet")
def take_all_recipients_for_one() -> None:
    """Leaves the recipient out of the keys, so that only the first of several is written."""

    def without_recipient(expected: Any, names: Any, _: str) -> tuple[str, str]:
        return feedback_keys(expected, names, "")

    setattr(reports, feedback_keys.__name__, without_recipient)
