"""The health of a worker: active problems, and stalled loops.

A problem is external: SQS, the store, Slack. The part that meets a problem reports it, again with
each new error, and resolves it when it is over. A late loop is our own fault: it took longer than
it had announced for its next step.
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

STORE = "store"
SIGNATURES = "signatures"
"""A problem: signatures are required, and a certificate to verify them cannot be had."""
UNREADY = frozenset({"queue", STORE, "deletes", SIGNATURES})
"""Problems that stop the processing of messages; others only delay notices and removals."""
SETTINGS = "settings"
"""A problem: not all settings of the file are in force after a reload."""


class Phase(StrEnum):
    """Where the process is in its life."""

    STARTING = "starting"
    WORKING = "working"
    STOPPING = "stopping"


class Problem(Struct, frozen=True, kw_only=True):
    """Why a worker does not do all of its work now."""

    what: str
    """What is affected, such as `queue`, `store`, `lane slack`."""
    error: str
    """The latest."""
    since: datetime
    """When the problem was reported first."""


class Late(Struct, frozen=True):
    """A loop whose next step takes longer than it had announced."""

    loop: str
    seconds: float
    """Seconds since the step was due."""


class Report(Struct, frozen=True, kw_only=True):
    """The health of a worker, as shown by /readyz and the health file; texts are sanitized."""

    phase: Phase
    alive: bool
    """No loop is late."""
    ready: bool
    """Alive, started, and no problem stops the processing of messages."""
    problems: Sequence[Problem]
    late: Sequence[Late]


class Pulse:
    """The progress of a loop. A single thread writes, any thread may read."""

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
    """The health of a process, shared by all its loops. Thread-safe."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.phase = Phase.STARTING
        self._problems: dict[str, Problem] = {}
        self._began: dict[str, float] = {}
        """When each active problem was reported first, on the clock."""
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
        """Report a problem; a repeated report replaces the error and keeps the first time."""
        with self._lock:
            before = self._problems.get(what)
            since = before.since if before else datetime.now(UTC)
            self._met[what] += 1
            self._began.setdefault(what, self._clock())
            self._problems[what] = Problem(what=what, error=str(error), since=since)

    def resolve(self, what: str) -> float | None:
        """Report that there is no such problem, or no more.

        Returns for how many seconds there was a problem; None: there was none. Of several threads
        that report the end of a problem only the first gets the seconds, and can log them.
        """
        if what not in self._problems:
            return None
        with self._lock:
            if self._problems.pop(what, None) is None:
                return None
            return self._clock() - self._began.pop(what)

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
        """The loops that are late."""
        with self._lock:
            pulses = list(self._pulses.values())
        return [Late(pulse.loop, late) for pulse in pulses if (late := pulse.late)]

    def report(self) -> Report:
        """Return the health as it is now."""
        problems, late = self.problems, self.late
        is_stopped = any(problem.what in UNREADY for problem in problems)
        return Report(
            phase=self.phase,
            alive=not late,
            ready=self.phase is Phase.WORKING and not late and not is_stopped,
            problems=[
                Problem(what=problem.what, error=sanitized(problem.error), since=problem.since)
                for problem in problems
            ],
            late=late,
        )
