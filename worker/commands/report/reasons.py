"""Why mail bounced, what complaints were, and who causes them."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.commands.report.figures_reader import FiguresReader
from worker.core.counting import Dimension
from worker.core.model import Kind
from worker.core.reporting.report import By, Decision, Reason, Spender
from worker.core.reporting.sums import OTHER, largest
from worker.core.words import meaning_of_status, meaning_of_type, status_of

MOST_REASONS = 8
MOST_SPENDERS = 5


def reasons(figures: FiguresReader) -> list[Reason]:
    """Return the most frequent types of bounces, then those of complaints."""
    found = figures.by(By.TYPE)
    bounces = [(name, sums.bounces) for name, sums in found.items()]
    complaints = [(name, sums.complaint) for name, sums in found.items()]
    return [*_of_types(Kind.BOUNCE, bounces), *_of_types(Kind.COMPLAINT, complaints)]


def statuses(figures: FiguresReader) -> list[Reason]:
    """Return the most frequent enhanced status codes of bounces."""
    found = figures.by_dimension(Dimension.STATUS)
    counted = [(code, sums.bounces) for code, sums in found.items()]
    ranked = _ranked(counted, MOST_REASONS + 2)
    return [
        Reason(
            kind=Kind.BOUNCE.value,
            name=code,
            meaning=meaning_of_status(code),
            count=count,
            share=share,
        )
        for code, count, share in ranked
        if code not in {"", OTHER}
    ][:MOST_REASONS]


def spenders(figures: FiguresReader, by: By) -> list[Spender]:
    """Return who causes most of the bounces that AWS counts."""
    found = figures.by(by)
    bounces = sum(sums.counted_bounces for sums in found.values())
    return [
        Spender(
            value=value,
            bounces=sums.counted_bounces,
            complaints=sums.complaint,
            share=sums.counted_bounces / bounces if bounces else 0.0,
        )
        for value, sums in largest(found, MOST_SPENDERS)
        if sums.counted_bounces or sums.complaint
    ]


def decision(row: Mapping[str, Any]) -> Decision:
    """Describe an event that paused or blocked somebody."""
    kind, type_, subtype = row["kind"], row["type"] or "", row["subtype"] or ""
    return Decision(
        at=row["occurred_at"],
        address=row["recipient"],
        blocked=row["action"] == "auto_block_spam",
        name="/".join(filter(None, (type_, subtype))) or kind,
        meaning=meaning_of_type(kind, type_, subtype),
        status=status_of(row["status"], row["diagnostic"]),
    )


def _of_types(kind: Kind, counted: Sequence[tuple[str, int]]) -> list[Reason]:
    found = []
    for name, count, share in _ranked(counted, MOST_REASONS):
        type_, _, subtype = name.partition("/")
        meaning = meaning_of_type(kind, type_, subtype)
        found.append(
            Reason(
                kind=kind.value, name=name.rstrip("/"), meaning=meaning, count=count, share=share
            )
        )
    return found


def _ranked(counted: Sequence[tuple[str, int]], most: int) -> list[tuple[str, int, float]]:
    """Return the largest counts, each with its share."""
    whole = sum(count for _, count in counted)
    ranked = sorted(counted, key=lambda item: (-item[1], item[0]))
    return [(name, count, count / whole) for name, count in ranked if count][:most]
