"""What is counted by the hour: in which dimensions, and how often what happened. Pure.

A commit counts `Fact`s (`facts`): what happened to a mail for a recipient, with all that the
figures distinguish. `figures` makes the figures of facts: a count for each dimension, hour,
measure and value. `providers` knows the mail provider of a domain.
"""

from worker.core.counting.facts import (
    FACTS_IN_A_ROW,
    Fact,
    Facts,
    encode_facts,
    encode_rows,
    read_facts,
)
from worker.core.counting.figures import OTHER, FigureKey, figures_of
from worker.core.counting.names import COUNTED_KINDS, SIMULATOR, Dimension, Measure
from worker.core.counting.providers import provider_of
from worker.core.counting.recording import count_decision, count_event

__all__ = [
    "COUNTED_KINDS",
    "FACTS_IN_A_ROW",
    "OTHER",
    "SIMULATOR",
    "Dimension",
    "Fact",
    "Facts",
    "FigureKey",
    "Measure",
    "count_decision",
    "count_event",
    "encode_facts",
    "encode_rows",
    "figures_of",
    "provider_of",
    "read_facts",
]
