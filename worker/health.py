"""How a worker is: what troubles it, and which of its loops have stopped getting on.

Trouble is somebody else's, and said to be: SQS, the books, Slack. Whoever meets it says so, and
says when it is over. A loop that is late is ours: it said how long its next step may take, and took
longer.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from worker.masking import harmless

Clock = Callable[[], float]

UNREADY = frozenset({"queue", "store", "deletes"})
"""Troubles that keep messages from being worked on; others only delay notices and removals."""
SETTINGS = "settings"
"""A trouble: those that a reload was to bring are not, or not all, in force."""


class Phase(StrEnum):
    """How far the process is."""

    STARTING = "starting"
    WORKING = "working"
    STOPPING = "stopping"


class Trouble(Struct, frozen=True, kw_only=True):
    """Why a worker does not do all of its work at the moment."""

    what: str
    """What it is about, such as `queue`, `store`, `lane slack`."""
    error: str
    since: datetime


class Late(Struct, frozen=True):
    """A loop that should have got on by now."""

    loop: str
    seconds: float
    """By how much."""


class Report(Struct, frozen=True, kw_only=True):
    """What a worker says of itself to whoever asks; texts are harmless."""

    phase: Phase
    alive: bool
    """No loop is late."""
    ready: bool
    """Alive, begun, and nothing keeps messages from being worked on."""
    troubles: Sequence[Trouble]
    late: Sequence[Late]


class Pulse:
    """How far a loop is. One thread writes, any may read."""

    def __init__(self, loop: str, clock: Clock) -> None:
        self.loop = loop
        self._clock = clock
        self._due: float | None = None

    def within(self, seconds: float) -> None:
        """Say that the next step takes no longer than this."""
        self._due = self._clock() + seconds

    def rest(self) -> None:
        """Say that there is nothing to do until somebody says so."""
        self._due = None

    @property
    def late(self) -> float:
        """Seconds since the next step was due; 0 while it is not."""
        due = self._due
        return 0.0 if due is None else max(0.0, self._clock() - due)


class Health:
    """Shared by all loops of a process. Thread-safe."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.phase = Phase.STARTING
        self._troubles: dict[str, Trouble] = {}
        self._met: Counter[str] = Counter(dict.fromkeys(sorted(UNREADY), 0))
        self._pulses: dict[str, Pulse] = {}
        self._turn = threading.Lock()

    def pulse(self, loop: str) -> Pulse:
        """Make the pulse of a loop, in the place of one of that name which it takes over from."""
        pulse = Pulse(loop, self._clock)
        with self._turn:
            self._pulses[loop] = pulse
        return pulse

    def has(self, pulse: Pulse) -> bool:
        """Tell whether no other pulse has taken over from this one."""
        return self._pulses.get(pulse.loop) is pulse

    def trouble(self, what: str, error: object) -> None:
        """Say that something is amiss; a second time keeps when it began."""
        with self._turn:
            before = self._troubles.get(what)
            since = before.since if before else datetime.now(UTC)
            self._met[what] += 1
            self._troubles[what] = Trouble(what=what, error=str(error), since=since)

    def well(self, what: str) -> None:
        """Say that it is mended, or was never amiss."""
        if what in self._troubles:
            with self._turn:
                self._troubles.pop(what, None)

    @property
    def troubles(self) -> list[Trouble]:
        """What is amiss, the oldest first."""
        with self._turn:
            return sorted(self._troubles.values(), key=lambda trouble: trouble.since)

    @property
    def met(self) -> Mapping[str, int]:
        """How often each trouble was said, by what it is about."""
        with self._turn:
            return dict(self._met)

    @property
    def late(self) -> list[Late]:
        """The loops that should have got on by now."""
        with self._turn:
            pulses = list(self._pulses.values())
        return [Late(pulse.loop, late) for pulse in pulses if (late := pulse.late)]

    def report(self) -> Report:
        """Say all of it at once."""
        troubles, late = self.troubles, self.late
        hindered = any(trouble.what in UNREADY for trouble in troubles)
        return Report(
            phase=self.phase,
            alive=not late,
            ready=self.phase is Phase.WORKING and not late and not hindered,
            troubles=[
                Trouble(what=one.what, error=harmless(one.error), since=one.since)
                for one in troubles
            ],
            late=late,
        )
