"""Broken workers that the issue names."""

import secrets
from collections.abc import Sequence
from functools import wraps
from typing import Any

from broken import broken
from worker import decode, queue
from worker.consumer import Consumer
from worker.consumer.allowance import Allowance
from worker.consumer.settling import Settler
from worker.consumer.writing import Writer
from worker.keys import feedback_keys
from worker.model import Handled, Received


@broken("acknowledges-before-commit", caught_by="I5")
def acknowledge_before_commit() -> None:
    """Deletes what it has received, then writes it down."""
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
    """Takes a 200 for a success, whatever is in its list of failures."""
    queue.unsettled = lambda *_: []


@broken("leaks-a-permit", caught_by="I6", schedule="quiet")
def leak_a_permit() -> None:
    """Keeps a permit of each receive for itself, so that it may have ever fewer messages."""
    give_back = Allowance.give_back

    def leaking(self: Allowance, granted: int, used: int) -> None:
        give_back(self, granted, used + bool(self._left))

    Allowance.give_back = leaking  # type: ignore[method-assign]


@broken("swallows-a-dead-thread", caught_by="I9", schedule="mortal")
def swallow_a_dead_thread() -> None:
    """Goes on without the thread, and tells nobody."""
    Consumer.fail = lambda *_: None  # type: ignore[method-assign]


@broken("replays-without-dedupe", caught_by="I2", schedule="quiet")
def replay_without_dedupe() -> None:
    """Gives what comes again new keys, so that no index notices either."""

    def anew(*what: Any) -> tuple[str, str]:
        dedupe, route = feedback_keys(*what)
        return f"{dedupe}{secrets.token_hex(4)}", f"{route}{secrets.token_hex(4)}"

    setattr(decode, feedback_keys.__name__, anew)
