"""The lines of a report's table."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from worker.commands.report.figures_reader import FiguresReader
from worker.commands.report.tags import count_by_tag
from worker.core.reporting.report import By, Row, row_of
from worker.core.reporting.sends import Sends
from worker.core.reporting.sums import OTHER, Sums, largest, total

_WITHOUT_SENDS = frozenset({By.TYPE, By.FAULT})
"""A mail that is sent has none of them yet."""


def rows_by_day(by_day: Mapping[date, Sums], sends: Sends) -> list[Row]:
    """Return a line for each day with any count, the newest first."""
    return [
        row_of(str(day), sums, sums if sends.since and day >= sends.since else None, sends)
        for day, sums in sorted(by_day.items(), reverse=True)
    ]


def rows_by_tag(
    figures: FiguresReader, name: str, sends: Sends, top: int, progress: Callable[[int, int], None]
) -> tuple[list[Row], int]:
    """Return a line for each value of a tag, and how many events were read for it."""
    found, scanned = count_by_tag(figures.store, name, figures.since, figures.until, progress)
    return [row_of(value, sums, None, sends) for value, sums in largest(found, top)], scanned


def rows_by(figures: FiguresReader, by: By, sends: Sends, top: int) -> list[Row]:
    """Return a line for each of the largest values, and a line for all others."""
    shown = largest(figures.by(by), top)
    rated: Mapping[str, Sums] = {}
    if by not in _WITHOUT_SENDS and sends.since:
        rated = _with_rest(figures.by(by, sends.since), [value for value, _ in shown])
    return [row_of(value, sums, rated.get(value), sends) for value, sums in shown]


def _with_rest(counted: Mapping[str, Sums], named: Sequence[str]) -> Mapping[str, Sums]:
    names = set(named) - {OTHER}
    rest = total(sums for value, sums in counted.items() if value not in names)
    return {**{value: counted.get(value, Sums()) for value in names}, OTHER: rest}
