"""The health of a worker: active problems, and stalled loops.

A problem is external: SQS, the store, Slack. The part that meets it reports it, and resolves it
when it is over. A late loop is ours: it announced how long its next step may take, and took
longer.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from msgspec import Struct

from worker.core.masking import sanitized

Clock = Callable[[], float]

UNREADY = frozenset({"queue", "store", "deletes"})
"""Problems that stop the processing of messages; others only delay notices and removals."""
SETTINGS = "settings"
"""A problem: the settings of a reload are not, or not all, in force."""


class Phase(StrEnum):
    """How far the process is."""

    STARTING = "starting"
    WORKING = "working"
    STOPPING = "stopping"


class Problem(Struct, frozen=True, kw_only=True):
    """Why a worker does not do all of its work now."""

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
    """The health of a worker, as shown by /readyz and the health file; texts are sanitized."""

    phase: Phase
    alive: bool
    """No loop is late."""
    ready: bool
    """Alive, begun, and nothing keeps messages from being worked on."""
    problems: Sequence[Problem]
    late: Sequence[Late]


class Pulse:
    """The progress of a loop. A single thread writes, any may read."""

    def __init__(self, loop: str, clock: Clock) -> None:
        self.loop = loop
        self._clock = clock
        self._due: float | None = None

    def within(self, seconds: float) -> None:
        """Announce that the next step takes no longer than this."""
        self._due = self._clock() + seconds

    def rest(self) -> None:
        """Announce that nothing is due until the next `within`."""
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
        self._problems: dict[str, Problem] = {}
        self._met: Counter[str] = Counter(dict.fromkeys(sorted(UNREADY), 0))
        self._pulses: dict[str, Pulse] = {}
        self._lock = threading.Lock()

    def pulse(self, loop: str) -> Pulse:
        """Make the pulse of a loop; it replaces the previous pulse of that name."""
        pulse = Pulse(loop, self._clock)
        with self._lock:
            self._pulses[loop] = pulse
        return pulse

    def has(self, pulse: Pulse) -> bool:
        """Return whether no other pulse has replaced this pulse."""
        return self._pulses.get(pulse.loop) is pulse

    def report_problem(self, what: str, error: object) -> None:
        """Report a problem; repeated reports keep the time of the first."""
        with self._lock:
            before = self._problems.get(what)
            since = before.since if before else datetime.now(UTC)
            self._met[what] += 1
            self._problems[what] = Problem(what=what, error=str(error), since=since)

    def resolve(self, what: str) -> None:
        """Report that a problem is over, or never was."""
        if what in self._problems:
            with self._lock:
                self._problems.pop(what, None)

    @property
    def problems(self) -> list[Problem]:
        """The active problems, the oldest first."""
        with self._lock:
            return sorted(self._problems.values(), key=lambda problem: problem.since)

    @property
    def met(self) -> Mapping[str, int]:
        """How often each problem was reported."""
        with self._lock:
            return dict(self._met)

    @property
    def late(self) -> list[Late]:
        """The loops that should have got on by now."""
        with self._lock:
            pulses = list(self._pulses.values())
        return [Late(pulse.loop, late) for pulse in pulses if (late := pulse.late)]

    def report(self) -> Report:
        """Return all of it."""
        problems, late = self.problems, self.late
        hindered = any(problem.what in UNREADY for problem in problems)
        return Report(
            phase=self.phase,
            alive=not late,
            ready=self.phase is Phase.WORKING and not late and not hindered,
            problems=[
                Problem(what=problem.what, error=sanitized(problem.error), since=problem.since)
                for problem in problems
            ],
            late=late,
        )
