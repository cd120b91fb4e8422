"""From attempts to figures: a ratio in each round first, then the median of the ratios."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec import Struct

from bench.attempts import Attempt
from bench.machine import CORES

FLOOR = "floor1"
US = "worker-sqlite-1"
RIVALS = {
    (US, "aiobotocore"): 1.0,
    (US, "sqs-consumer"): 1.0,
    ("worker-sqlite-2", US): 1.5,
    ("worker-postgresql-1", US): 0.7,
    ("worker-postgresql-2", "worker-postgresql-1"): 1.4,
}
"""The least ratio of the messages a second of two contestants at 8 ms."""


class Figure(Struct, frozen=True):
    """A median, and the least and the most."""

    median: float
    least: float
    most: float

    def shown(self, digits: int) -> str:
        """`1.25 [1.20-1.31]`; `0.5 [-0.2 to 0.8]`."""
        median, least, most = (
            f"{value:,.{digits}f}" for value in (self.median, self.least, self.most)
        )
        between = " to " if self.least < 0 else "-"
        return f"{median} [{least}{between}{most}]"


class Line(Struct, frozen=True, kw_only=True):
    """A contestant at a delay."""

    name: str
    runs: int
    cpu_per_10k: Figure
    rate: Figure
    cpu_ratio: Figure | None
    """Its CPU for a message, as a multiple of the floor's in the same round."""
    rate_ratio: Figure | None
    own_share: float
    """The contestant's CPU as a share of all cores while it worked."""
    stub_share: float
    database_share: float
    others_share: float
    longest_ms: Figure
    """The longest time from receive to delete."""


class Against(Struct, frozen=True, kw_only=True):
    """Messages a second of a contestant, as a multiple of another's in the same round."""

    delay: int
    name: str
    other: str
    rate: Figure


class Comparison(Struct, frozen=True, kw_only=True):
    """What a comparison leaves for the report."""

    rounds: int
    versions: dict[str, str]
    messages: int
    """Messages in a run."""
    slow_messages: int
    """The same, with delay, for contestants that wait for each reply."""
    tables: dict[int, list[Line]]
    """By the delay in milliseconds."""
    against: list[Against]
    what: dict[str, str]
    """A line for people about each contestant."""
    absent: list[str] = []
    """Contestants that could not take part, and why."""
    problems: list[str] = []
    """Runs that failed."""


Rounds = Mapping[int, Mapping[str, Attempt]]
"""Attempts by round, then by contestant."""


def lines(rounds: Rounds, names: Iterable[str]) -> list[Line]:
    """Make a line for each contestant that finished a run."""
    found = []
    for name in names:
        attempts = [attempts[name] for attempts in rounds.values() if name in attempts]
        if attempts:
            found.append(_line(name, attempts, rounds))
    return found


def _line(name: str, attempts: Sequence[Attempt], rounds: Rounds) -> Line:
    def usual(value: Callable[[Attempt], float]) -> float:
        return statistics.median(map(value, attempts))

    return Line(
        name=name,
        runs=len(attempts),
        cpu_per_10k=middle([attempt.cpu_per_10k for attempt in attempts]),
        rate=middle([attempt.rate for attempt in attempts]),
        cpu_ratio=_ratio(name, FLOOR, rounds, lambda attempt: attempt.cpu_per_10k),
        rate_ratio=_ratio(name, FLOOR, rounds, lambda attempt: attempt.rate),
        own_share=usual(lambda attempt: attempt.share),
        stub_share=usual(lambda attempt: attempt.stub_cpu_seconds / attempt.wall_seconds / CORES),
        database_share=usual(
            lambda attempt: attempt.database_cpu_seconds / attempt.wall_seconds / CORES
        ),
        others_share=usual(lambda attempt: attempt.others_share),
        longest_ms=middle([attempt.held.most for attempt in attempts]),
    )


def rivals(results: Mapping[int, Rounds]) -> list[Against]:
    """Compare the rates of the pairs in `RIVALS`."""
    found = []
    for delay, rounds in results.items():
        for name, other in RIVALS:
            if rate := _ratio(name, other, rounds, lambda attempt: attempt.rate):
                found.append(Against(delay=delay, name=name, other=other, rate=rate))
    return found


def _ratio(
    name: str, other: str, rounds: Rounds, value: Callable[[Attempt], float]
) -> Figure | None:
    ratios = [
        value(attempts[name]) / value(attempts[other])
        for attempts in rounds.values()
        if name in attempts and other in attempts
    ]
    return middle(ratios) if ratios else None


def middle(values: Sequence[float]) -> Figure:
    """Make a figure."""
    return Figure(statistics.median(values), min(values), max(values))


def title(delay: int) -> str:
    """Name a delay for people."""
    return f"{delay} ms added to every reply" if delay else "No added latency"
