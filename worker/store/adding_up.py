"""Adds up what commits have counted: from `new_counts` to `hourly_counts` and `daily_counts`.

Any number of workers may do it at once. What is added is removed from `new_counts` in the same
transaction, so nothing is added twice or lost, whenever a process is killed. The transactions are
short, since messages wait for them: figures are computed before they begin. If another process was
faster, the transaction changes nothing.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any, Protocol

from msgspec import Struct

from worker.core.counting import (
    FACTS_IN_A_ROW,
    Fact,
    Facts,
    FigureKey,
    encode_facts,
    figures_of,
    read_facts,
)
from worker.store.largest import LOOSE, LOOSE_ROWS, largest

HOURLY, DAILY = ("hourly_counts", "hour"), ("daily_counts", "day")
"""The tables, each with the column of its time."""
TRIMMED = "figures_trimmed"
"""Of the row in `progress` that says from which hour on small values are yet to be added up."""
MOST_FACTS = FACTS_IN_A_ROW
"""Facts in a transaction. Each becomes up to thirty figures, most of which others share."""
_MOST_ROWS = 100
_MANY = 50
"""Rows of a dimension and a time, in a transaction, after which it is looked how many there are."""
_NEW = f"SELECT id, counts FROM new_counts ORDER BY id LIMIT {_MOST_ROWS}"

Row = tuple[str, str, str, str, int]
"""A row of `hourly_counts` or `daily_counts`; the time is a text."""
Table = tuple[str, str]
NewCounts = tuple[int, str]
"""Id and text of a row of `new_counts`."""


class FiguresTransaction(Protocol):
    """The statements, in a transaction that is committed at its end."""

    def is_ours(self) -> bool:
        """Keep other processes out until the end; return False if another is at work."""

    def remove_counts(self, rows: Sequence[NewCounts]) -> bool:
        """Remove rows of `new_counts`; return False if some are gone already."""

    def count(self, written: str) -> None:
        """Add a row to `new_counts`."""

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Add to the counts of a table."""

    def size(self, table: Table, dimension: str, time: str) -> int:
        """Count the rows that a dimension has at a time."""

    def rows(self, table: Table, dimension: str, time: str) -> list[tuple[str, str, int]]:
        """Return measure, value and count of all that a dimension has at a time."""

    def remove(self, table: Table, dimension: str, time: str, values: Sequence[str]) -> None:
        """Remove values of a dimension at a time."""

    def progress(self, name: str) -> str | None:
        """Return how far a kind of work has come; None: it has not begun."""

    def keep_progress(self, name: str, value: str) -> None:
        """Keep how far a kind of work has come."""


class FiguresStore(Protocol):
    """The store, as far as figures are concerned."""

    def ask(self, query: str, **values: object) -> list[tuple[Any, ...]]:
        """Answer a query; see `worker.store.Store`."""

    def adding_up(self) -> AbstractContextManager[FiguresTransaction]:
        """Begin a transaction; see `worker.store.Store`."""


class Faster(Exception):
    """Another process has done the same; the transaction is rolled back."""


class Added(Struct, frozen=True, kw_only=True):
    """What a call has done."""

    rows: int = 0
    """Rows of `new_counts` that it added up."""
    unreadable: int = 0
    """Those among them that hold no facts; they are gone."""
    is_all: bool = True
    """No more were there, or another process is at work."""


def add_up_some(store: FiguresStore) -> Added:
    """Add up the oldest rows of `new_counts`, as many as a short transaction takes.

    Raises:
        Unavailable: the database is unavailable.

    """
    rows = store.ask(_NEW)
    taken: list[NewCounts] = []
    facts: dict[Fact, int] = {}
    unreadable = 0
    for id_, written in rows:
        try:
            read_facts(written, into=facts)
        except ValueError:
            unreadable += 1
        taken.append((id_, written))
        if len(facts) >= MOST_FACTS:
            break
    if not taken:
        return Added()
    now = dict(islice(facts.items(), MOST_FACTS))
    later = dict(islice(facts.items(), MOST_FACTS, None))
    figures = figures_of(now)
    try:
        with store.adding_up() as transaction:
            require(transaction.is_ours() and transaction.remove_counts(taken))
            if later:
                transaction.count(encode_facts(later))
            add_figures(transaction, figures)
    except Faster:
        return Added()
    is_all = len(taken) == len(rows) < _MOST_ROWS and not later
    return Added(rows=len(taken), unreadable=unreadable, is_all=is_all)


def require(condition: bool) -> None:  # noqa: FBT001 the only argument
    """Raise `Faster` unless the condition holds."""
    if not condition:
        raise Faster


def add_figures(transaction: FiguresTransaction, figures: Mapping[FigureKey, int]) -> None:
    """Add figures to both tables, and note the earliest hour among them."""
    hourly = [(of, f"{hour[:10]} {hour[11:]}:00:00.000000", measure, value, count)
              for (of, hour, measure, value), count in figures.items()]  # fmt: skip
    for table, rows in (HOURLY, sorted(hourly)), (DAILY, sorted(_by_days(figures))):
        transaction.add(table, rows)
        added = Counter((of, time) for of, time, *_ in rows)
        for (dimension, time), many in added.items():
            if many > _MANY and transaction.size(table, dimension, time) > LOOSE_ROWS:
                trim(transaction, table, dimension, time, LOOSE)
    if hourly:
        _note_hour(transaction, min(time for _, time, *_ in hourly))


def _by_days(figures: Mapping[FigureKey, int]) -> list[Row]:
    days: dict[FigureKey, int] = {}
    for (of, hour, measure, value), count in figures.items():
        key = of, f"{hour[:10]} 00:00:00.000000", measure, value
        days[key] = days.get(key, 0) + count
    return [(*key, count) for key, count in days.items()]


def _note_hour(transaction: FiguresTransaction, hour: str) -> None:
    noted = transaction.progress(TRIMMED)
    if not noted or hour < noted:
        transaction.keep_progress(TRIMMED, hour)


def trim(
    transaction: FiguresTransaction, table: Table, dimension: str, time: str, most: int
) -> None:
    """Add up all values of a dimension at a time but the largest, as `other`."""
    small, others = largest(transaction.rows(table, dimension, time), most)
    if small:
        transaction.remove(table, dimension, time, sorted(small))
        transaction.add(table, [(dimension, time, *other) for other in others])


def facts_of(rows: Iterable[Fact]) -> Facts:
    """Count facts."""
    facts: dict[Fact, int] = {}
    for fact in rows:
        facts[fact] = facts.get(fact, 0) + 1
    return facts
