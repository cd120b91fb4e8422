"""I1: everything that was published is in exactly one place; nothing is lost."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from support.hostile import APPLIED, IGNORED

from oracles.database import Database
from oracles.findings import Finding
from oracles.observer import BROKE, REASON
from oracles.parsing import Sort, read
from oracles.published import Event, PublishedEvents, digest
from simulators.sqs import MessageState, SqsSimulator

MOVED = "moved by SQS"


@dataclass(slots=True)
class Places:
    """Where the published messages are now; counts of distinct events, or bodies, and of copies."""

    applied: int = 0
    left: int = 0
    """Messages on the queue."""
    dead_lettered: int = 0
    """Distinct bodies that the worker has put into the dead-letter queue."""
    copies: int = 0
    """Copies: a kill between send and delete leaves a copy."""
    redriven: int = 0
    """Messages in the dead-letter queue that SQS has moved there."""
    quarantined: int = 0
    """Distinct bodies that are only in the table."""
    hostile: int = 0
    """Hostile bodies, wherever they are now; none is counted above, but for `left`."""
    lost: int = 0
    findings: list[Finding] = field(default_factory=list)


def look(
    published: PublishedEvents,
    database: Database,
    emulator: SqsSimulator,
    queue: str,
    dead_letters: str,
) -> Places:
    """Find everything that was published; `Published.take_stock` was called before."""
    places = Places()
    left, dead = emulator.messages(queue), emulator.messages(dead_letters)
    quarantined = database.all_quarantined()
    places.hostile = len(published.hostile)
    if published.hostile:
        kept = {(digest(item.body), _reason(item)) for item in dead} | {
            (digest(body), reason) for body, reason in quarantined
        }
        places.findings += _of_hostile(published, kept, {digest(item.body) for item in left})
        dead = [dead_letter for dead_letter in dead if not published.is_hostile(dead_letter.body)]
        quarantined = [item for item in quarantined if not published.is_hostile(item[0])]
        left = [message for message in left if not published.is_hostile(message.body)]
    ours = [dead_letter for dead_letter in dead if REASON in dead_letter.attributes]
    moved = [dead_letter for dead_letter in dead if REASON not in dead_letter.attributes]
    places.applied = sum(event.applied for event in published.events)
    bodies = {dead_letter.body for dead_letter in ours}
    places.left, places.redriven, places.dead_lettered = len(left), len(moved), len(bodies)
    places.copies = len(ours) - len(bodies)
    places.quarantined = len({body for body, _ in quarantined} - bodies)
    waiting = [item.body for item in [*left, *moved]]
    aside = [(item.body, _reason(item)) for item in ours] + quarantined
    places.findings += _of_unreadable(published, waiting, aside)
    places.findings += _of_what_was_set_aside(published, aside)
    still = [published.of(read(body)) for body in [*waiting, *(body for body, _ in aside)]]
    safe = {id(event) for event in still if event}
    for event in published.events:
        if not event.applied and id(event) not in safe:
            places.findings.append(Finding("I1", f"lost: {event.feedback} has rows {event.rows}"))
    places.lost = sum("lost" in finding.text for finding in places.findings)
    return places


def _of_unreadable(
    published: PublishedEvents, waiting: list[str], aside: list[tuple[str, str]]
) -> Iterator[Finding]:
    there = {*waiting, *(body for body, _ in aside)}
    for body in published.unreadable:
        if body not in there:
            yield Finding("I1", f"lost, and could not even be read: {body[:300]}")


def _of_hostile(
    published: PublishedEvents, kept: set[tuple[bytes, str]], left: set[bytes]
) -> Iterator[Finding]:
    """Each is in exactly one of the places where it may be."""
    reasons: dict[bytes, set[str]] = {}
    for name, reason in kept:
        reasons.setdefault(name, set()).add(reason)
    for name, (mark, kind) in published.hostile.items():
        became = set(reasons.get(name, ()))
        if rows := published.hostile_rows[mark]:
            became.add(APPLIED)
        if not became and IGNORED not in kind.outcomes and name not in left:
            yield Finding("I1", f"lost: hostile body {mark}, {kind.name}")
        elif wrong := became - kind.outcomes - {MOVED}:
            text = f"hostile body {mark}, {kind.name}, became {wrong}, not {set(kind.outcomes)}"
            yield Finding("I1", text)
        elif len(became) > 1:
            yield Finding("I1", f"hostile body {mark}, {kind.name}, is in two places: {became}")
        elif rows not in {0, kind.rows}:
            yield Finding("I2", f"hostile body {mark}, {kind.name}: {rows} rows, not {kind.rows}")


def _of_what_was_set_aside(
    published: PublishedEvents, aside: list[tuple[str, str]]
) -> Iterator[Finding]:
    """A good message is not in two places."""
    for (body, reason), copies in Counter(aside).items():
        feedback = read(body)
        event = published.of(feedback)
        if feedback.sort is Sort.IGNORED:
            yield Finding(
                "I1", f"says nothing to us and was dead-lettered ({reason}): {body[:300]}"
            )
        elif feedback.sort is Sort.UNREADABLE and body not in published.unreadable:
            yield Finding("I1", f"dead-lettered, and nobody published it: {body[:300]}")
        elif feedback.sort is Sort.UNREADABLE and reason not in {feedback.reason, BROKE}:
            yield Finding("I1", f"dead-lettered as {reason}, not {feedback.reason}: {body[:300]}")
        elif feedback.sort is Sort.FEEDBACK and reason != "unknown_recipient":
            yield from _of_good(event, reason, copies)


def _of_good(event: Event | None, reason: str, copies: int) -> Iterator[Finding]:
    where = f"dead-lettered {copies} times as {reason!r}"
    if event is None:
        yield Finding("I1", f"{where}, and nobody published it")
    else:
        both = " and applied" if event.applied else ""
        yield Finding("I1", f"a good message is {where}{both}: {event.feedback}")


def _reason(dead_letter: MessageState) -> str:
    """Return why a dead letter was dead-lettered; `MOVED`: SQS itself has moved it."""
    reason: str = dead_letter.attributes.get(REASON, {}).get("StringValue", MOVED)
    return reason
