"""How many messages may be held at once, and in all."""

import threading


class Permits:
    """One for each message between its receive and its settlement.

    They are reserved before a receive, so that nothing is received that there is no room for.
    Those of a receive that bring messages are held until the messages are settled; the others go
    back at once. Each comes back exactly once.
    """

    def __init__(self, at_once: int, in_all: int | None = None) -> None:
        self._at_once = at_once
        self._left_in_all = in_all
        self._reserved = 0
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()

    @property
    def held(self) -> int:
        """How many messages are held."""
        return self._held

    @property
    def exhausted(self) -> bool:
        """All the messages that were to be had were had, and are settled."""
        return self._left_in_all == 0 and not self._held and not self._reserved

    def reserve(self, wanted: int) -> int:
        """Wait for room; get `wanted`, or what is left in all, or 0 when it is over."""
        with self._changed:
            while not self._closed and not self.exhausted:
                granted = wanted if self._left_in_all is None else min(wanted, self._left_in_all)
                if granted and self._reserved + self._held + granted <= self._at_once:
                    self._reserved += granted
                    self._take_from_all(granted)
                    return granted
                self._changed.wait()
            return 0

    def fill(self, granted: int, messages: int) -> None:
        """Say how many messages a receive has brought for its reservation."""
        with self._changed:
            self._reserved -= granted
            self._held += messages
            self._take_from_all(messages - granted)
            self._changed.notify_all()

    def give_back(self, count: int) -> None:
        """Say that messages are settled."""
        with self._changed:
            if count > self._held:
                raise ValueError(f"{count} permits come back, {self._held} are held")
            self._held -= count
            self._changed.notify_all()

    def close(self) -> None:
        """Grant no more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take_from_all(self, count: int) -> None:
        if self._left_in_all is not None:
            self._left_in_all -= count
