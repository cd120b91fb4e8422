"""Limits of removals, and the log that they need."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol

from msgspec import Struct

from worker.core.payloads import Removal, RemovalOutcome


class RemovalPolicy(Struct, frozen=True, kw_only=True):
    """Limits that keep removals from harming the account's reputation."""

    remove_complaints: bool = False
    tries: int = 5
    """Look-ups before an address is reported as not listed; five take seven and a half minutes."""
    most_removals: int = 3
    """Removals of an address within `within_days`; further removals are left to a person."""
    within_days: float = 30


class RemovalLog(Protocol):
    """The record of removals; each call has committed when it returns.

    A call may raise `Unavailable` or `Raced`: the removal is then tried again from the beginning.
    """

    def begun(self, effect_id: int, key: str) -> Mapping[str, Any] | None:
        """Return the entry that this effect began to delete, finished or not."""

    def begin(self, effect_id: int, removal: Removal, entry: Mapping[str, Any]) -> None:
        """Keep the entry before its deletion, in place of an earlier entry of this effect."""

    def removals(self, removal: Removal, within: timedelta, besides: int) -> int:
        """Count the other effects that may have removed the address from this list lately."""

    def finish(self, effect_id: int, outcome: RemovalOutcome) -> None:
        """Record the outcome, unless the effect never began to delete. It may be called twice."""
