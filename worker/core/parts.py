"""Makes the result of a message of those of its parts: the records of a list. Pure."""

from collections.abc import Sequence

from worker.core.messages import DeadLetter, Delete, Disposition, Handled, Received
from worker.core.model import Outcome

_BY_WEIGHT = (Outcome.APPLIED, Outcome.DUPLICATE)


def combined(received: Received, parts: Sequence[Handled]) -> Handled:
    """Return the result for the whole message.

    What could be read is applied. If a part is a dead letter, so is the message, with the first
    reason: replayed, what was applied is a duplicate.
    """
    disposition = _disposition(parts)
    decisions = [decision for part in parts for decision in part.decisions]
    is_counted = any(part.is_counted for part in parts)
    if disposition != Delete(Outcome.IGNORED):
        account_events = [event for part in parts for event in part.account_events]
        return Handled(
            received, disposition, decisions, account_events=account_events, is_counted=is_counted
        )
    kinds = [part.ignored for part in parts if part.ignored]
    noteworthy = [kind for kind in kinds if kind.noteworthy]
    first = next(iter(noteworthy or kinds), None)
    return Handled(received, disposition, ignored=first, is_counted=is_counted)


def _disposition(parts: Sequence[Handled]) -> Disposition:
    dead = [
        (number, part.disposition)
        for number, part in enumerate(parts, start=1)
        if isinstance(part.disposition, DeadLetter)
    ]
    if dead:
        number, first = dead[0]
        more = f", and {len(dead) - 1} more cannot be processed" if dead[1:] else ""
        where = f"record {number} of {len(parts)}{more}"
        return DeadLetter(first.reason, f"{where}: {first.detail}")
    there = [part.disposition for part in parts]
    for outcome in _BY_WEIGHT:
        if Delete(outcome) in there:
            return Delete(outcome)
    return Delete(Outcome.IGNORED)
