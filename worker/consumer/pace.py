"""How many pollers poll: one on an idle queue, all on a deep one, none when told to wait."""

import threading


class Pace:
    """Grows by one with each full receive, falls to one with an empty one.

    An idle queue so costs one ReceiveMessage every `wait_seconds`, whatever the number of pollers.
    """

    def __init__(self, pollers: int, full: int) -> None:
        self._pollers = pollers
        self._full = full
        self._allowed = 1
        self._halted = False
        self._closed = False
        self._changed = threading.Condition()
        self.empty_in_a_row = 0

    def await_turn(self, poller: int) -> bool:
        """Wait until this one (counted from 0) may poll; False when it is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._may(poller))
            return not self._closed

    def _may(self, poller: int) -> bool:
        return poller < self._allowed and not self._halted

    def received(self, count: int) -> None:
        """Learn how many messages a receive has brought."""
        with self._changed:
            if count == 0:
                self.empty_in_a_row += 1
                self._allowed = 1
                return
            self.empty_in_a_row = 0
            if count >= self._full and self._allowed < self._pollers:
                self._allowed += 1
                self._changed.notify_all()

    def stumbled(self) -> None:
        """Learn that a receive has failed: one poller is enough to find out when it works again."""
        with self._changed:
            self._allowed = 1

    def halt(self) -> None:
        """Nobody polls until `go_on`."""
        with self._changed:
            self._halted = True

    def go_on(self) -> None:
        """Poll again, carefully at first."""
        with self._changed:
            self._halted = False
            self._allowed = 1
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody polls any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
