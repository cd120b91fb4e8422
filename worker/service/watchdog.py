"""Notifies the service manager: that the worker is ready, its status, and that it is alive.

The main thread looks once a second. It notifies that the worker is alive unless a loop is late: it
announced how long its next step may take, and took longer. A loop in a back-off is not late.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from worker.core.masking import sanitized
from worker.core.parsing import clip
from worker.observability.health import SETTINGS, Clock, Health, Late, Problem
from worker.service.systemd import Systemd

EXTENSION_SECONDS = 60.0
"""Time that a start asks for again and again; a start that hangs does not, and is ended."""
STATUS_SECONDS = 2.0
"""Shortest time between two status texts."""
LONGEST_ERROR = 300
"""Characters of an error in the status text."""

Figures = Callable[[], tuple[Mapping[str, int], int]]
"""Returns the counters by name, and how many messages are held."""


class Watchdog:
    """Used only by the main thread: if that hangs, systemd gets no notification either."""

    def __init__(self, systemd: Systemd, health: Health, clock: Clock = time.monotonic) -> None:
        self.figures: Figures | None = None
        """None until the worker has started."""
        self.remark: Callable[[], str] = str
        """Returns what else the status must show; empty: nothing."""
        self._note = ""
        self._systemd = systemd
        self._health = health
        self._clock = clock
        self.is_ready = False
        self._extend_at = self._beat_at = self._status_at = 0.0
        self._reported = ""

    def look(self) -> None:
        """Notify systemd of the current state."""
        if not self._systemd.listens:
            return
        now = self._clock()
        if not self.is_ready and now >= self._extend_at and not self._health.late:
            self._systemd.extend_timeout(EXTENSION_SECONDS)
            self._extend_at = now + EXTENSION_SECONDS / 4
        interval = self._systemd.watchdog_seconds
        if interval and now >= self._beat_at and not self._health.late:
            self._systemd.alive()
            self._beat_at = now + interval / 2
        if now >= self._status_at and (text := self._describe()) != self._reported:
            self._systemd.status(text)
            self._status_at, self._reported = now + STATUS_SECONDS, text

    def ready(self) -> None:
        """Notify that the worker is ready: settings and schema are good."""
        self.is_ready = True
        self._systemd.ready(self._describe())

    def reload(self, reload: Callable[[], str]) -> None:
        """Have the settings read again; from then on show what is left to do about them."""
        self._systemd.reloading()
        self._note = reload()
        self.ready()

    def stopping(self, held: int) -> None:
        """Notify that the worker is stopping."""
        self._systemd.stopping(f"Stopping: {held:,} held")

    def _describe(self) -> str:
        phase = self._health.phase.capitalize()
        figures = figures_in_words(*self.figures()) if self.figures else phase
        problems = [
            problem
            for problem in self._health.problems
            if problem.what != SETTINGS  # the note
        ]
        note = "; ".join(filter(None, [self.remark(), self._note]))
        return describe(problems, self._health.late, figures, note)


def describe(problems: Sequence[Problem], late: Sequence[Late], figures: str, note: str) -> str:
    """Return the status text, the worst news first."""
    texts = [f"{loop.loop} has hung for {loop.seconds:.0f} s" for loop in late]
    texts += [
        f"{problem.what} failing since {problem.since:%H:%M:%S} UTC: "
        f"{clip(sanitized(problem.error), LONGEST_ERROR)}"
        for problem in problems
    ]
    return "; ".join(filter(None, [*texts, figures, note]))


def figures_in_words(outcomes: Mapping[str, int], held: int) -> str:
    """Return a text such as `12 received: 10 applied, 2 duplicate …; 3 held`."""
    counted = dict(outcomes)
    received = counted.pop("received")
    each = ", ".join(f"{count:,} {name.replace('_', '-')}" for name, count in counted.items())
    return f"{received:,} received: {each}; {held:,} held"
