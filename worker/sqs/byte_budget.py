"""How many bytes of received messages may be in memory at once; shared by all pollers.

SQS carries messages of 1 MiB, ten in a receive, and Python may keep a text in four bytes per
character: eight pollers with a full receive each would hold 320 MB of bodies alone. Most messages
have 5 KB, and for them nothing is counted or waited for.
"""

import threading
from collections.abc import Callable, Mapping

from worker.core.errors import Unavailable

BUDGET_BYTES = 8 * 1_048_576
"""Limit for the bodies of messages that are not settled. Their decoded values may need five times
as much memory."""
SMALL_BYTES = 262_144
"""A receive with fewer bytes, of all its messages together, is not counted."""
WAIT_SECONDS = 30.0
"""How long an answer waits to be read: longer than messages are held while the store is
unavailable."""
LARGEST_RECEIVE = 10
"""Messages in a receive."""
_TIMES_AS_LARGE = 5
"""Memory for an answer, in multiples of its size: itself, and its texts at four bytes per
character."""
_SHRINKS = 0.8
"""Factor by which the expected size of messages falls with each receive."""

Expect = Callable[[int], None]
"""Learns how many bytes an answer will have before it is read."""


class BudgetExhausted(Unavailable):
    """Other threads hold so much that an answer could not be read; SQS delivers it again."""


class ByteBudget:
    """Thread-safe. Each receiving thread has its own share, until it gives it back.

    Before a receive the thread asks how many messages it may request, which depends on the size of
    recent messages. The answer is read when it fits into the budget beside the shares of other
    threads. A thread that holds messages never waits here, so there is no deadlock.
    """

    def __init__(self, in_all: int = BUDGET_BYTES) -> None:
        self._in_all = in_all
        self._expected: dict[int, int] = {}
        """Bytes that a receive under way may bring, by thread."""
        self._held: dict[int, int] = {}
        """Bytes that were received, or are being read, by thread."""
        self._largest = 0
        """Bytes of the largest recent message; 0: all of them are small."""
        self._closed = False
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """Bytes that all threads hold, without small receives."""
        return sum(self._held.values())

    @property
    def is_for_large(self) -> bool:
        """Recent messages were large."""
        return self._largest > 0

    def ask(self, messages: int) -> int:
        """Wait until the thread may receive; return how many messages, `messages` at most."""
        if not self._largest:
            return messages
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._has(self._largest, self._may_hold(me)))
            free = self._in_all - self._may_hold(me)
            most = max(1, min(messages, free // max(1, self._largest)))
            self._expected[me] = most * self._largest
            return most

    def expect(self, answer_bytes: int) -> None:
        """Wait until an answer of this size may be read.

        Raises:
            BudgetExhausted: other threads held too much for too long.

        """
        if answer_bytes < SMALL_BYTES:
            return
        me = threading.get_ident()
        bytes_needed = min(answer_bytes * _TIMES_AS_LARGE, self._in_all)
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._has(bytes_needed, self._others(self._held, me)), WAIT_SECONDS
            ):
                raise BudgetExhausted(
                    "others hold too many large messages to read another answer of SQS's"
                )
            self._held[me] = bytes_needed

    def hold(self, held: int, latest: int, largest: int) -> None:
        """Learn how many bytes this thread holds, just received, and its largest message has."""
        if latest < SMALL_BYTES and not self._largest:
            return
        with self._changed:
            me = threading.get_ident()
            self._expected.pop(me, None)
            self._held[me] = held
            self._largest = max(largest, int(self._largest * _SHRINKS))
            if self._largest * LARGEST_RECEIVE < SMALL_BYTES:
                self._largest = 0
            self._changed.notify_all()

    def give_back(self) -> None:
        """Give back the share of this thread."""
        if self._held or self._expected:
            me = threading.get_ident()
            with self._changed:
                self._expected.pop(me, None)
                self._held.pop(me, None)
                self._changed.notify_all()

    def close(self) -> None:
        """End all waits, for a stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has(self, needed: int, others: int) -> bool:
        return self._closed or not others or others + needed <= self._in_all

    def _may_hold(self, me: int) -> int:
        """Bytes that other threads hold or expect."""
        return self._others(self._held, me) + self._others(self._expected, me)

    @staticmethod
    def _others(shares: Mapping[int, int], me: int) -> int:
        return sum(shares.values()) - shares.get(me, 0)
