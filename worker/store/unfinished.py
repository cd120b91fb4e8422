"""Counts unfinished effects without loading SQLAlchemy, for every start and for the relay."""

from typing import NamedTuple

# Each half has the condition of a partial index.
QUERY = """
    SELECT lane, count(*), 0 FROM outbox WHERE state IN ('waiting', 'claimed') GROUP BY lane
    UNION ALL
    SELECT lane, 0, count(*) FROM outbox WHERE state = 'parked' GROUP BY lane
"""
ANY = """
    SELECT EXISTS (SELECT 1 FROM outbox WHERE state IN ('waiting', 'claimed') AND lane = {lane})
        OR EXISTS (SELECT 1 FROM outbox WHERE state = 'parked' AND lane = {lane})
"""


class Unfinished(NamedTuple):
    """Effects of a lane; a lane may have two rows."""

    lane: str
    waiting: int
    parked: int
