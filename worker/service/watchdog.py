"""What the service manager hears: whether we are ready, how it goes, and that we get on.

The main thread looks once a second. It says that we get on as long as no loop is late by
what it announced; a thread in a declared back-off is not late.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from worker.core.masking import sanitized
from worker.core.parsing import clip
from worker.observability.health import SETTINGS, Clock, Health, Late, Problem
from worker.service.systemd import Systemd

EXTENSION_SECONDS = 60.0
"""What a start that is not over asks for, again and again; if we hang, it runs out."""
STATUS_SECONDS = 2.0
"""Between two changes of the figures; a service manager has others to listen to."""
LONGEST_ERROR = 300
"""Characters."""

Figures = Callable[[], tuple[Mapping[str, int], int]]
"""Returns how many messages were received, and had each outcome; and how many are held."""


class Watchdog:
    """Used by the main thread alone: if that hangs, systemd gets no notification either."""

    def __init__(self, systemd: Systemd, health: Health, clock: Clock = time.monotonic) -> None:
        self.figures: Figures | None = None
        """None: there are none yet."""
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
            self._systemd.takes_longer(EXTENSION_SECONDS)
            self._extend_at = now + EXTENSION_SECONDS / 4
        interval = self._systemd.watchdog_seconds
        if interval and now >= self._beat_at and not self._health.late:
            self._systemd.gets_on()
            self._beat_at = now + interval / 2
        if now >= self._status_at and (text := self._describe()) != self._reported:
            self._systemd.status(text)
            self._status_at, self._reported = now + STATUS_SECONDS, text

    def ready(self) -> None:
        """Settings and schema are good."""
        self.is_ready = True
        self._systemd.ready(self._describe())

    def reload(self, reload: Callable[[], str]) -> None:
        """Have the settings read again; what is left to do about them is shown from then on."""
        self._systemd.reloading()
        self._note = reload()
        self.ready()

    def stopping(self, held: int) -> None:
        """The end has begun."""
        self._systemd.stopping(f"Stopping: {held:,} held")

    def _describe(self) -> str:
        phase = self._health.phase.capitalize()
        figures = figures_in_words(*self.figures()) if self.figures else phase
        problems = [
            problem for problem in self._health.problems if problem.what != SETTINGS
        ]  # the note
        return describe(problems, self._health.late, figures, self._note)


def describe(problems: Sequence[Problem], late: Sequence[Late], figures: str, note: str) -> str:
    """Everything that a person who asks how it goes should read, the worst first."""
    problems_ = [f"{loop.loop} has hung for {loop.seconds:.0f} s" for loop in late]
    problems_ += [
        f"{problem.what} failing since {problem.since:%H:%M:%S} UTC: "
        f"{clip(sanitized(problem.error), LONGEST_ERROR)}"
        for problem in problems
    ]
    return "; ".join(filter(None, [*problems_, figures, note]))


def figures_in_words(outcomes: Mapping[str, int], held: int) -> str:
    """`12 received: 10 applied, 2 duplicate …; 3 held`."""
    counted = dict(outcomes)
    received = counted.pop("received")
    each = ", ".join(f"{count:,} {name.replace('_', '-')}" for name, count in counted.items())
    return f"{received:,} received: {each}; {held:,} held"
