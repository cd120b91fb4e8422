"""How much of what is received may be in memory at once; shared by all who receive.

SQS carries messages of 1 MiB, ten in a receive, and Python may keep a text in four bytes a
character: eight pollers with a full receive each would hold 320 MB of bodies alone. Most messages
have 5 KB, and for these nothing is counted, asked or waited for.
"""

import threading
from collections.abc import Callable, Mapping

from worker.core.errors import Unavailable

BUDGET_BYTES = 8 * 1_048_576
"""Of bodies that are received and not settled; what is made of them may take five times as much."""
SMALL_BYTES = 262_144
"""A receive with fewer, of all its messages together, is not counted."""
WAIT_SECONDS = 30.0
"""How long an answer waits to be read: longer than anything is held while the store is
unavailable."""
LARGEST_RECEIVE = 10
"""Messages."""
_TIMES_AS_LARGE = 5
"""Of an answer: itself, and its texts with four bytes a character."""
_SHRINKS = 0.8
"""What the largest message of late is taken for after each receive without one."""

Expect = Callable[[int], None]
"""Learns how many bytes an answer will have before it is read."""


class BudgetExhausted(Unavailable):
    """Others hold so much that an answer could not be read: what it brings comes again."""


class ByteBudget:
    """Thread-safe. Each thread that receives has a share of its own, until it gives that back.

    It asks before it receives, and is reported how many messages to ask for, by how large they were
    of late. What comes is read when there is room for it beside what others hold. Who holds
    messages waits for nobody here, so whoever waits is served in the end.
    """

    def __init__(self, in_all: int = BUDGET_BYTES) -> None:
        self._in_all = in_all
        self._signals: dict[int, int] = {}
        """Bytes, by thread, that a receive under way may bring."""
        self._held: dict[int, int] = {}
        """Bytes, by thread, that have come, or are being read."""
        self._largest = 0
        """Bytes of the largest message of late; 0: all of them are small."""
        self._closed = False
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """Bytes that all of them hold; small receives are not counted."""
        return sum(self._held.values())

    @property
    def is_for_large(self) -> bool:
        """Messages were large of late."""
        return self._largest > 0

    def ask(self, wanted: int) -> int:
        """Wait until something may be received; return how many messages, `wanted` at most."""
        if not self._largest:
            return wanted
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: self._has(self._largest, self._may_hold(me)))
            free = self._in_all - self._may_hold(me)
            most = max(1, min(wanted, free // max(1, self._largest)))
            self._signals[me] = most * self._largest
            return most

    def expect(self, answer_bytes: int) -> None:
        """Wait until an answer of this size may be read.

        Raises:
            BudgetExhausted: others held too much for too long.

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
        """Learn how many bytes this thread holds, the latest receive brought, its largest has."""
        if latest < SMALL_BYTES and not self._largest:
            return
        with self._changed:
            me = threading.get_ident()
            self._signals.pop(me, None)
            self._held[me] = held
            self._largest = max(largest, int(self._largest * _SHRINKS))
            if self._largest * LARGEST_RECEIVE < SMALL_BYTES:
                self._largest = 0
            self._changed.notify_all()

    def give_back(self) -> None:
        """Hold nothing any more."""
        if self._held or self._signals:
            me = threading.get_ident()
            with self._changed:
                self._signals.pop(me, None)
                self._held.pop(me, None)
                self._changed.notify_all()

    def close(self) -> None:
        """Have nobody wait any more: it is over."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _has(self, needed: int, others: int) -> bool:
        return self._closed or not others or others + needed <= self._in_all

    def _may_hold(self, me: int) -> int:
        """Bytes that others hold, or may soon."""
        return self._others(self._held, me) + self._others(self._signals, me)

    @staticmethod
    def _others(shares: Mapping[int, int], me: int) -> int:
        return sum(shares.values()) - shares.get(me, 0)
