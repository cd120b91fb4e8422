"""A thread writes the lines of the log, so that a thread that logs does not wait for the reader.

While lines are read, however slowly, a thread that logs waits for room. If the reader has stopped
reading, no thread waits: lines are dropped and counted, and so are lines whose write fails, as on a
full disk.
"""

import threading
from collections import deque
from collections.abc import Callable

MOST_BYTES = 1_048_576
"""Size of all lines that wait to be written."""
WAIT_SECONDS = 2.0
"""How long a thread waits for room."""

Write = Callable[[], object]
CountLines = Callable[[], int]


class LineWriter:
    """A queue of lines, and the thread that writes them. Thread-safe."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, wait_budget: float = WAIT_SECONDS) -> None:
        self._most_bytes = most_bytes
        self._wait_budget = wait_budget
        self._waiting: deque[tuple[Write, int, CountLines]] = deque()
        self._bytes = 0
        lock = threading.Lock()
        self._filled, self._drained = threading.Condition(lock), threading.Condition(lock)
        self.is_stuck = False
        """A thread waited for room in vain, and nothing has been written since."""
        self.failure: Exception | None = None
        """Why the last write failed; None: it succeeded."""
        self.lost = 0
        """Lines that were dropped for lack of room, or whose write failed."""
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def put(self, write: Write, size: int, *, lines: CountLines) -> None:
        """Enqueue a write, if there is room; `lines` counts the lines not written yet."""
        with self._filled:
            if self._bytes + size > self._most_bytes and not self._wait_for_room(size):
                self.lost += lines()
                return
            self._waiting.append((write, size, lines))
            self._bytes += size
            if len(self._waiting) == 1:
                self._filled.notify()

    def finish(self, seconds: float) -> bool:
        """Wait until all is written, for at most `seconds`; return whether it is."""
        with self._drained:
            return self._drained.wait_for(lambda: not self._bytes, seconds)

    def _wait_for_room(self, size: int) -> bool:
        if self.is_stuck:
            return False

        def room() -> bool:
            return not self._bytes or self._bytes + size <= self._most_bytes

        self.is_stuck = not self._drained.wait_for(room, self._wait_budget)
        return not self.is_stuck

    def _run(self) -> None:
        while True:
            with self._filled:
                self._filled.wait_for(lambda: self._waiting)
                write, size, lines = self._waiting.popleft()
            failure: Exception | None = None
            try:
                write()
            except Exception as error:  # noqa: BLE001 what cannot be written is lost
                failure = error
            with self._drained:
                self.failure = failure
                if failure:
                    self.lost += lines()
                self._bytes -= size
                self.is_stuck = False
                self._drained.notify_all()
