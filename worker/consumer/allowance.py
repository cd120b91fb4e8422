"""How many messages may still be received, where there is a limit."""

import threading


class Allowance:
    """A limit on messages in all, shared by the pollers; without one it grants everything."""

    def __init__(self, in_all: int | None = None) -> None:
        self._left = in_all
        self._out = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def exhausted(self) -> bool:
        """All the messages that were to be had were received."""
        return self._left == 0 and not self._out

    def take(self, wanted: int, *, wait: bool = True) -> int:
        """Ask for `wanted` messages; get as many, what is left, or 0 when there are none.

        Where none is left but others have yet to say what their receives have brought, `wait`
        waits for them.
        """
        with self._changed:
            if wait:
                self._changed.wait_for(lambda: self._closed or self._left != 0 or not self._out)
            if self._closed:
                return 0
            granted = wanted if self._left is None else min(wanted, self._left)
            self._out += granted
            self._left = None if self._left is None else self._left - granted
            return granted

    def give_back(self, granted: int, used: int) -> None:
        """Say how many of them a receive has brought."""
        with self._changed:
            self._out -= granted
            self._left = None if self._left is None else self._left + granted - used
            self._changed.notify_all()

    def close(self) -> None:
        """Grant no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
