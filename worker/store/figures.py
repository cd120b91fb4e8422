"""Counts undelivered effects and quarantined messages, without loading SQLAlchemy.

Called every half minute.
"""

from collections.abc import Mapping

from msgspec import Struct

# Each half has the condition of a partial index: delivered effects are never read.
EFFECTS = """
    SELECT lane, kind, state, count(*) FROM outbox WHERE state IN ('waiting', 'claimed')
        GROUP BY lane, kind, state
    UNION ALL
    SELECT lane, kind, state, count(*) FROM outbox WHERE state = 'parked'
        GROUP BY lane, kind, state
"""
QUARANTINED = "SELECT count(*) FROM quarantine"


class Figures(Struct, frozen=True, kw_only=True):
    """Counts of rows."""

    quarantined: int
    effects: Mapping[tuple[str, str, str], int]
    """Undelivered effects by lane, kind and state."""
