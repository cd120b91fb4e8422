"""The limits that the figures are compared with."""

import operator
from collections.abc import Callable, Iterator

from msgspec import Struct

from bench.figures import FLOOR, RIVALS, US, Comparison, Figure, Line
from bench.findings import Growth, Idle, Memory, Start
from worker.consumer.polling import GATHERED
from worker.settings import Settings
from worker.sqs.queue import LARGEST_BATCH

ROUNDS = 5
IDLE_SECONDS = 100
"""Five long polls."""
SINGLES = 20
EVENTS = 10_000_000
SOAKED = 1_000_000
FLAT_MB = 4.0
"""What the allocator may still take: nothing is kept, but pages of memory are seldom all free."""
POLL_SECONDS = 20

_RELATIONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
}


class Results(Struct, frozen=True, kw_only=True):
    """What the parts have left; None where a part was not run."""

    comparison: Comparison | None = None
    growth: Growth | None = None
    idle: Idle | None = None
    start: Start | None = None
    memory: Memory | None = None


class Goal(Struct, frozen=True):
    """A limit, and the figure that it is for."""

    what: str
    relation: str
    limit: float
    unit: str
    figure: Figure | None
    """None: not run."""
    lacking: str = ""
    """What the run has too few of to decide."""
    digits: int = 2

    @property
    def reached(self) -> str:
        """By the median; and whether every round agrees."""
        if self.figure is None:
            return "not run"
        if self.lacking:
            return f"undecided: {self.lacking}"
        holds = _RELATIONS[self.relation]
        good = holds(self.figure.median, self.limit)
        each = {holds(value, self.limit) for value in (self.figure.least, self.figure.most)}
        if each == {good}:
            return "yes" if good else "no"
        return "yes, not in every round" if good else "no, but in some rounds"


def goals(results: Results) -> list[Goal]:
    """Compare every figure with its limit."""
    return [
        *_compared(results.comparison),
        *_grown(results.growth),
        *_remembered(results.memory),
        *_idle(results.idle),
        *_started(results.start),
    ]


def _compared(found: Comparison | None) -> Iterator[Goal]:
    lines = {(delay, name): _line(found, delay, name) for delay in (0, 8) for name in (US, FLOOR)}
    quick, slow = lines[0, US], lines[8, US]
    cpu, rate = quick.cpu_ratio if quick else None, slow.rate_ratio if slow else None
    few = _few_runs(quick, lines[0, FLOOR])
    yield Goal("CPU of a message, one process, no latency", "<=", 0.6, "x floor1", cpu, few)
    what = "messages a second at 8 ms"
    yield Goal(what, ">=", 6, "x floor1", rate, _few_runs(slow, lines[8, FLOOR]))
    for (name, other), limit in RIVALS.items():
        few = _few_runs(_line(found, 8, name), _line(found, 8, other))
        yield Goal(f"{what}: {name}", ">=", limit, f"x {other}", _against(found, name, other), few)
    for delay in (0, 8):
        line = lines[delay, US]
        what = f"longest from receive to delete, backlog, {delay} ms"
        bound = bound_ms(line.rate.median, delay) if line else 0.0
        longest = line.longest_ms if line else None
        yield Goal(what, "<=", bound, "ms", longest, _few_runs(line), 0)


def _grown(found: Growth | None) -> Iterator[Goal]:
    few = _few(found.rounds, ROUNDS, "rounds") if found else ""
    largest = found.points[-1] if found and found.points[-1].events >= EVENTS else None
    what = f"more CPU of a message with {EVENTS:,} events than with none"
    yield Goal(what, "<=", 60, "us", largest.more_us if largest else None, few, 0)
    ratio = found.again_ratio if found else None
    yield Goal("CPU of a pass of duplicates", "<=", 1, "x the first pass", ratio, few)


def _remembered(found: Memory | None) -> Iterator[Goal]:
    few = _few(found.messages, SOAKED, "messages") if found else ""
    most, grown = (_single(found.most_mb), _single(found.grown_mb)) if found else (None, None)
    yield Goal(f"resident over {SOAKED:,} messages", "<=", 150, "MB", most, few, 0)
    yield Goal("its growth after the first tenth", "<=", FLAT_MB, "MB", grown, few, 1)


def _idle(found: Idle | None) -> Iterator[Goal]:
    few = _few(found.seconds, IDLE_SECONDS, "s") if found else ""
    polls = found.seconds / POLL_SECONDS if found else 1
    receives = _single(found.receives / polls) if found else None
    share = _single(found.cpu_share * 100) if found else None
    limit = 1 + 1 / polls  # one more at the edge of the time that was watched
    yield Goal("receives of an idle worker", "<=", limit, "every 20 s", receives, few)
    yield Goal("CPU of an idle worker", "<", 0.2, "% of a core", share, few)
    median = _single(found.latency_ms.median) if found else None
    few = _few(found.singles, SINGLES, "messages") if found else ""
    yield Goal("from send to committed row, idle: median", "<", 15, "ms", median, few, 1)


def _started(found: Start | None) -> Iterator[Goal]:
    few = _few(found.rounds, ROUNDS, "rounds") if found else ""
    answer, polling = (found.help_seconds, found.polling_seconds) if found else (None, None)
    yield Goal("ses-worker --help", "<=", 0.25, "s", answer, few)
    yield Goal("run, from exec to the first receive", "<=", 1, "s", polling, few)


def bound_ms(rate: float, delay: int) -> float:
    """The longest that a message may be held, at that rate in messages a second.

    A message waits for what is received with it, for commits that hold whatever all pollers have
    gathered, and for the deletes of its own poller; nothing else is in front of it.
    """
    calls = 2 * GATHERED // LARGEST_BATCH
    return Settings().queue.pollers * GATHERED / rate * 1_000 + calls * delay


def _line(found: Comparison | None, delay: int, name: str) -> Line | None:
    lines = found.tables.get(delay, []) if found else []
    return next((line for line in lines if line.name == name), None)


def _against(found: Comparison | None, name: str, other: str) -> Figure | None:
    pairs = found.against if found else []
    rates = (pair.rate for pair in pairs if (pair.delay, pair.name, pair.other) == (8, name, other))
    return next(rates, None)


def _few_runs(*lines: Line | None) -> str:
    return _few(min(line.runs if line else 0 for line in lines), ROUNDS, "rounds")


def _few(number: float, needed: int, what: str) -> str:
    return f"{number:.0f} of {needed} {what}" if number < needed else ""


def _single(value: float) -> Figure:
    return Figure(value, value, value)
