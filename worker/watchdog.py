"""What the service manager hears: whether we are ready, how it goes, and that we get on.

The main thread looks once a second. It says that we get on as long as no loop is late by
what it said itself; who waits for a far side, by a declared back-off, is not.
"""

import time
from collections.abc import Callable, Mapping, Sequence

from worker.health import SETTINGS, Clock, Health, Late, Trouble
from worker.masking import harmless
from worker.reading import clip
from worker.systemd import Systemd

EXTENSION_SECONDS = 60.0
"""What a start that is not over asks for, again and again; if we hang, it runs out."""
STATUS_SECONDS = 2.0
"""Between two changes of the figures; a service manager has others to listen to."""
LONGEST_ERROR = 300
"""Characters."""

Figures = Callable[[], tuple[Mapping[str, int], int]]
"""Returns how many messages were received, and had each outcome; and how many are held."""


class Watchdog:
    """Used by the main thread alone: if that hangs, nothing is said either."""

    def __init__(self, systemd: Systemd, health: Health, clock: Clock = time.monotonic) -> None:
        self.figures: Figures | None = None
        """None: there are none yet."""
        self._note = ""
        self._systemd = systemd
        self._health = health
        self._clock = clock
        self.is_ready = False
        self._extend_at = self._beat_at = self._status_at = 0.0
        self._told = ""

    def look(self) -> None:
        """Say what is to be said by now."""
        if not self._systemd.listens:
            return
        now = self._clock()
        if not self.is_ready and now >= self._extend_at and not self._health.late:
            self._systemd.takes_longer(EXTENSION_SECONDS)
            self._extend_at = now + EXTENSION_SECONDS / 4
        wanted = self._systemd.watchdog_seconds
        if wanted and now >= self._beat_at and not self._health.late:
            self._systemd.gets_on()
            self._beat_at = now + wanted / 2
        if now >= self._status_at and (text := self._describe()) != self._told:
            self._systemd.status(text)
            self._status_at, self._told = now + STATUS_SECONDS, text

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
        troubles = [one for one in self._health.troubles if one.what != SETTINGS]  # the note
        return describe(troubles, self._health.late, figures, self._note)


def describe(troubles: Sequence[Trouble], late: Sequence[Late], figures: str, note: str) -> str:
    """Everything that a person who asks how it goes should read, the worst first."""
    said = [f"{one.loop} has hung for {one.seconds:.0f} s" for one in late]
    said += [
        f"{one.what} in trouble since {one.since:%H:%M:%S} UTC: "
        f"{clip(harmless(one.error), LONGEST_ERROR)}"
        for one in troubles
    ]
    return "; ".join(filter(None, [*said, figures, note]))


def figures_in_words(outcomes: Mapping[str, int], held: int) -> str:
    """`12 received: 10 applied, 2 duplicate …; 3 held`."""
    counted = dict(outcomes)
    received = counted.pop("received")
    each = ", ".join(f"{count:,} {name.replace('_', '-')}" for name, count in counted.items())
    return f"{received:,} received: {each}; {held:,} held"
