"""Chooses the values that a dimension keeps: the largest; all others are added up as `other`.

A value is as large as its part in what AWS watches: a mail weighs 1, a hard bounce 20 and a
complaint 1,000, since a rate of 5 % and of 0.1 % is reviewed. So a small domain that spends the
budget is kept before a large domain that does not.
"""

from collections.abc import Iterable

from worker.core.counting import OTHER, SIMULATOR, Measure

MOST_VALUES = 200
"""Values that a dimension keeps for an hour, or for a day, once it is over."""
LOOSE, LOOSE_ROWS = 500, 3_000
"""Before that it keeps `LOOSE` values whenever it has more rows than `LOOSE_ROWS`: what is small
now may still grow, and who sends to ever new domains must not fill the database."""
_WEIGHTS: dict[str, int] = {
    Measure.SEND: 1,
    Measure.DELIVERY: 1,
    Measure.HARD_BOUNCE: 20,
    Measure.SOFT_BOUNCE: 1,
    Measure.OTHER_BOUNCE: 1,
    Measure.COMPLAINT: 1_000,
    Measure.DELIVERY_DELAY: 1,
    Measure.REJECT: 1,
    Measure.RENDERING_FAILURE: 1,
}
KEPT = frozenset({"", OTHER, SIMULATOR})
"""They are kept whatever their size. A report leaves the mailbox simulator out."""


def largest(
    rows: Iterable[tuple[str, str, int]], most: int = MOST_VALUES
) -> tuple[frozenset[str], list[tuple[str, str, int]]]:
    """Return the values that are not kept, and what is to be added to `other` instead.

    Rows are measure, value and count; so are those returned.
    """
    rows = list(rows)
    weights: dict[str, int] = {}
    for measure, value, count in rows:
        if value not in KEPT:
            weights[value] = weights.get(value, 0) + _WEIGHTS.get(measure, 0) * count
    ordered = sorted(weights, key=lambda value: (-weights[value], value))
    small = frozenset(ordered[most:])
    others: dict[str, int] = {}
    for measure, value, count in rows:
        if value in small:
            others[measure] = others.get(measure, 0) + count
    return small, [(measure, OTHER, count) for measure, count in others.items()]
