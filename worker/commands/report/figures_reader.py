"""Reads figures once that several parts of a report need."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from worker.core.counting import SIMULATOR, Dimension
from worker.core.reporting.report import By
from worker.core.reporting.sums import Sums, sums_of
from worker.store import Store
from worker.store.figures_by_hour import by_value, over_time


class FiguresReader:
    """The figures of a time. All here raises `Unavailable` if the database cannot be read."""

    def __init__(self, store: Store, since: datetime, until: datetime) -> None:
        """`since`: the beginning of a day in UTC."""
        self.store = store
        self.since = since
        self.until = until
        self._kept: dict[tuple[Dimension, datetime], Mapping[str, Sums]] = {}

    def by_day(self) -> tuple[dict[date, Sums], int]:
        """Count by day, without the mailbox simulator; and how much of that was left out."""
        everything = over_time(self.store, self.since, self.until)
        found = {at.date(): sums_of(counts) for at, counts in everything.items()}
        simulated = over_time(
            self.store, self.since, self.until, dimension=Dimension.DOMAIN, value=SIMULATOR
        )
        left_out = 0
        for at, counts in simulated.items():
            sums = sums_of(counts)
            left_out += sums.bounces + sums.complaint
            # By domain it is not counted what became of people. The simulator is no user.
            sums.unknown_bounce, sums.unknown_complaint = sums.bounces, sums.complaint
            found.get(at.date(), Sums()).add(sums.as_counts(), sign=-1)
        return found, left_out

    def by(self, by: By, since: date | None = None) -> Mapping[str, Sums]:
        """Count by value, from a later day on if given."""
        return self.by_dimension(Dimension(by.value.replace("-", "_")), since)

    def by_dimension(self, dimension: Dimension, since: date | None = None) -> Mapping[str, Sums]:
        """Count by the values of a dimension; the simulator's domain is left out."""
        later = datetime.combine(since, datetime.min.time(), UTC) if since else self.since
        key = dimension, max(self.since, later)
        if key not in self._kept:
            counted = by_value(self.store, dimension, key[1], self.until)
            all_sums = {value: sums_of(counts) for value, counts in counted.items()}
            all_sums.pop(SIMULATOR, None)
            self._kept[key] = {v: sums for v, sums in all_sums.items() if not sums.is_empty}
        return self._kept[key]
