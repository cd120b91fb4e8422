"""Counts what waits, without loading SQLAlchemy: called every half minute."""

from collections.abc import Mapping

from msgspec import Struct

# Each half as the condition of an index of its own has it: what is done is never looked at.
EFFECTS = """
    SELECT lane, kind, state, count(*) FROM outbox WHERE state IN ('waiting', 'claimed')
        GROUP BY lane, kind, state
    UNION ALL
    SELECT lane, kind, state, count(*) FROM outbox WHERE state = 'parked'
        GROUP BY lane, kind, state
"""
QUARANTINED = "SELECT count(*) FROM quarantine"


class Figures(Struct, frozen=True, kw_only=True):
    """How much there is."""

    quarantined: int
    effects: Mapping[tuple[str, str, str], int]
    """Effects that are not done, by lane, kind and state."""
