"""What keeps removals from doing harm: limits, and a memory of what was removed."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from msgspec import Struct

from worker.core.effects import RemovalOutcome


class RemovalPolicy(Struct, frozen=True, kw_only=True):
    """What keeps a removal from doing harm."""

    remove_complaints: bool = False
    tries: int = 5
    """Look-ups before an address is reported as not listed; five take seven and a half minutes."""
    most_removals: int = 3
    """Of one address, within so many days; then it is left to a person."""
    within_days: float = 30


class RemovalLog(Protocol):
    """What is remembered of removals; each call has committed when it returns.

    It may raise `Unavailable` or `Raced`: the removal is then tried again later, from the
    beginning.
    """

    def begun(self, effect_id: int, key: str) -> Mapping[str, Any] | None:
        """Return the entry that this effect began to delete, finished or not."""

    def begin(self, effect_id: int, key: str, address: str, entry: Mapping[str, Any]) -> None:
        """Keep the entry as it was, in place of one that this effect kept before."""

    def removals(self, key: str, within: timedelta, besides: int) -> int:
        """Count the other effects that may have taken that address off the list of late."""

    def finish(self, effect_id: int, outcome: RemovalOutcome) -> None:
        """Note the outcome; nothing to do for an effect that never began. It may come twice."""
