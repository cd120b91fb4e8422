"""What a second policy has made of users, compared with what the policy in force has."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from worker.core.backtesting import Change, Difference, change_between
from worker.store import Store
from worker.store.shadow import pairs


class ShadowComparison:
    """Compares user by user, and counts what differs."""

    def __init__(self, now: datetime, most_shown: int) -> None:
        self.by_change = Counter[Change]()
        self.sample: list[Difference] = []
        """The first users of each change."""
        self._now = now
        self._most_shown = most_shown

    def read(self, store: Store, found: Callable[[Difference], None]) -> None:
        """Go through the users; call `found` with each of whom the two policies differ."""
        for key, before, after in pairs(store, self._now):
            change = change_between(before, after)
            if change is None:
                continue
            item = Difference(
                key=key,
                is_user=True,
                change=change,
                before=before,
                after=after,
                rule_before="",
                rule_after="",
            )
            self.by_change[change] += 1
            if self.by_change[change] <= self._most_shown:
                self.sample.append(item)
            found(item)
