"""What another policy would do: reads the events on record, and changes nothing."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from worker.core.backtesting import Change, Difference, Unknown, difference, unknown_of
from worker.core.folding import Fold, Person
from worker.core.model import User
from worker.core.policy import Policy
from worker.store.people import people
from worker.store.recorded import count_events
from worker.store.rows import feedback_row


class Comparison:
    """Compares two policies, person by person, and counts what differs."""

    def __init__(self, live: Policy, other: Policy, now: datetime, most_shown: int) -> None:
        self.people = self.no_users = self.events = 0
        self.differs = 0
        """Users whose record is not what the live policy makes of the events on record."""
        self.by_change = Counter[Change]()
        self.by_rules = Counter[tuple[Change, str, str]]()
        """By what changes, and the rules that decide it now and then."""
        self.unknown = Counter[Unknown]()
        self.sample: list[Difference] = []
        """The first people of each change."""
        self._live, self._other = live, other
        self._now = now
        self._most_shown = most_shown

    def read(
        self,
        connection: Connection,
        *,
        since: datetime | None,
        report: Callable[[int, int], None],
        found: Callable[[Difference], None],
    ) -> None:
        """Go through all people; call `found` with each whom the other policy treats differently.

        `since`: the other policy decides only what has occurred since then.
        """
        total = count_events(connection, since)

        def begin(start: User) -> tuple[Fold, Fold]:
            return (
                Fold(start, self._live),
                Fold(start, self._other, former=self._live, since=since),
            )

        def count(done: int) -> None:
            self.events = done
            report(done, total)

        for person, folds in people(connection, begin, since=since, report=count):
            self._compare(person, folds[0], folds[1], found)

    def _compare(
        self, person: Person, before: Fold, after: Fold, found: Callable[[Difference], None]
    ) -> None:
        self.people += 1
        if person.user is None:
            self.no_users += 1
        elif feedback_row(person.finished(before.user)) != feedback_row(person.user):
            self.differs += 1
        unknown = unknown_of(person, self._live, self._other, after.user)
        self.unknown.update(unknown)
        item = difference(person, before, after, unknown, self._now)
        if item is None:
            return
        self.add(item)
        found(item)

    def add(self, item: Difference) -> None:
        """Count a person, and keep it for the sample."""
        self.by_change[item.change] += 1
        self.by_rules[item.change, item.rule_before, item.rule_after] += 1
        if self.by_change[item.change] <= self._most_shown:
            self.sample.append(item)
