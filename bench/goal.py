"""A goal, and how its figure stands to its limit."""

import operator
from collections.abc import Callable

from msgspec import Struct

from bench.figures import Comparison, Figure
from bench.findings import Growth, Idle, Memory, Start

NOT_RUN = "not run"

_SYMBOLS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
}


class Results(Struct, frozen=True, kw_only=True):
    """What the parts have left; None where one was not run."""

    comparison: Comparison | None = None
    growth: Growth | None = None
    idle: Idle | None = None
    start: Start | None = None
    memory: Memory | None = None


class Goal(Struct, frozen=True, kw_only=True):
    """A goal, and how it stands."""

    number: str
    what: str
    symbol: str
    limit: float
    unit: str = ""
    digits: int = 2
    figure: Figure | None = None
    """None: not run."""
    note: str = ""
    lacking: str = ""
    """What a run too small to be judged by has too few of."""

    @property
    def reached(self) -> str:
        """By the median; and whether every round says the same."""
        if self.figure is None:
            return NOT_RUN
        if self.lacking:
            return f"not said: {self.lacking}"
        holds = _SYMBOLS[self.symbol]
        good = holds(self.figure.median, self.limit)
        each = {holds(item, self.limit) for item in (self.figure.least, self.figure.most)}
        if each == {good}:
            return "yes" if good else "no"
        return "yes, not in every round" if good else "no, but in some rounds"
