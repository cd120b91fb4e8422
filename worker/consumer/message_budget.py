"""How many messages may still be received, if there is a limit."""

import threading


class MessageBudget:
    """A limit on messages in total, shared by the pollers; None: no limit. Thread-safe."""

    def __init__(self, in_all: int | None = None) -> None:
        self._left = in_all
        """Messages not granted yet."""
        self._out = 0
        """Messages granted to receives under way."""
        self._closed = False
        self._changed = threading.Condition()

    @property
    def exhausted(self) -> bool:
        """As many messages as allowed were received."""
        return self._left == 0 and not self._out

    def take(self, messages: int, *, wait: bool = True) -> int:
        """Reserve up to `messages` messages; return how many were granted, 0 when none are left.

        With `wait`, when none are left but other receives are under way, wait for their results.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._closed or self._left != 0 or not self._out)
            if self._closed:
                return 0
            granted = messages if self._left is None else min(messages, self._left)
            self._out += granted
            self._left = None if self._left is None else self._left - granted
            return granted

    def give_back(self, granted: int, used: int) -> None:
        """Give back what a receive did not use."""
        with self._changed:
            self._out -= granted
            self._left = None if self._left is None else self._left + granted - used
            self._changed.notify_all()

    def close(self) -> None:
        """Grant no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
