"""Whether the story came out as it should, worked out without the worker's own rules."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from demo.audit_effects import of_the_list, of_the_notices
from demo.chapters import Message
from demo.database import moment
from demo.mail import Entry, Report
from demo.people import everybody
from demo.story import Findings
from worker.core.model import Outcome

PAUSES = {"hard_bounce": timedelta(days=30), "soft_bounce": timedelta(days=1)}
COUNTED = frozenset({"complaint", "blocked_already"})
"""The rules by which a complaint counts."""


class Fate(Struct):
    """What the mails mean for one user."""

    hard: int = 0
    soft: int = 0
    complaints: int = 0
    blocked: bool = False
    paused_until: datetime | None = None


def faults(findings: Findings) -> list[str]:
    """Report all that is not as it should be, a sentence each."""
    return [
        *_of_the_run(findings),
        *_of_the_events(findings),
        *_of_the_users(findings),
        *_of_the_dead_letters(findings),
        *_of_the_log(findings),
        *of_the_notices(findings),
        *of_the_list(findings),
    ]


def outcomes(findings: Findings) -> Counter[str]:
    """How many messages must have had which outcome."""
    return Counter(message.outcome.value for message in findings.messages)


def _of_the_run(findings: Findings) -> Iterator[str]:
    if findings.status != 0:
        yield f"the daemon left with status {findings.status}, not 0"
    if findings.remaining:
        yield f"{findings.remaining} messages are still on the queue"
    expected = {"received": len(findings.messages)} | {o.value: 0 for o in Outcome}
    expected |= outcomes(findings)
    for name, count in expected.items():
        if findings.totals.get(name) != count:
            yield f"the daemon counted {findings.totals.get(name)} {name}, not {count}"


def _of_the_events(findings: Findings) -> Iterator[str]:
    expected = Counter(
        (report.kind.lower(), report.type, report.subtype, entry.key, entry.match, entry.action,
         entry.rule, report.at(findings.now))
        for report, entry in _applied(findings)
    )  # fmt: skip
    found = Counter(
        (row["kind"], row["type"], row["subtype"], row["recipient"], row["user_match"],
         row["action"], row["reason"], moment(row["occurred_at"]))
        for row in findings.database.events
    )  # fmt: skip
    for event in expected - found:
        yield f"no such event: {_plain(event)}"
    for event in found - expected:
        yield f"an event that nobody sent: {_plain(event)}"


def _of_the_users(findings: Findings) -> Iterator[str]:
    expected = {address: Fate() for address in everybody()}
    for report, entry in _applied(findings):
        if entry.match == "found":
            _befall(expected[entry.key], entry, report.at(findings.now))
    found = {
        row["email_key"]: Fate(
            hard=row["hard_bounce_count"],
            soft=row["soft_bounce_count"],
            complaints=row["complaint_count"],
            blocked=bool(row["auto_block_spam"]),
            paused_until=moment(row["paused_until"]) if row["paused_until"] else None,
        )
        for row in findings.database.users
    }
    for address in sorted(expected.keys() - found.keys()):
        yield f"{address} is no user any more"
    for address, fate in found.items():
        yield from _differences(address, fate, expected.get(address, Fate()))
    if findings.database != findings.before_the_last:
        yield "what was there already has changed something"


def _differences(address: str, found: Fate, expected: Fate) -> Iterator[str]:
    for name in Fate.__struct_fields__:
        if getattr(found, name) != getattr(expected, name):
            yield f"{address}: {name} is {getattr(found, name)}, not {getattr(expected, name)}"


def _befall(fate: Fate, entry: Entry, at: datetime) -> None:
    fate.hard += entry.action == "hard_bounce"
    fate.soft += entry.action == "soft_bounce"
    fate.complaints += entry.rule in COUNTED
    fate.blocked = fate.blocked or entry.action == "auto_block_spam"
    if entry.pauses and entry.action in PAUSES:
        until = at + PAUSES[entry.action]
        fate.paused_until = max(until, fate.paused_until or until)


def _of_the_dead_letters(findings: Findings) -> Iterator[str]:
    expected = Counter(str(message.reason) for message in _set_aside(findings))
    found = Counter(dead_letter.reason for dead_letter in findings.dead_letters)
    if expected != found:
        yield f"dead-lettered were {dict(found)}, not {dict(expected)}"
    for message in _set_aside(findings):
        if not any(message.text == dead_letter.contents for dead_letter in findings.dead_letters):
            yield f"{message.kind} is not in the dead-letter queue unchanged"
    if findings.database.quarantine:
        yield f"{len(findings.database.quarantine)} messages are in quarantine, though SQS took all"


def _of_the_log(findings: Findings) -> Iterator[str]:
    log_text = str(findings.log).lower()
    leaked = [address for address in everybody() if address in log_text]
    if leaked:
        yield f"the log holds whole addresses: {', '.join(leaked)}"


def _set_aside(findings: Findings) -> list[Message]:
    return [m for m in findings.messages if m.outcome is Outcome.DEAD_LETTERED]


def _applied(findings: Findings) -> Iterator[tuple[Report, Entry]]:
    """What must be in the store: a row for each recipient of each report, once."""
    for message in findings.messages:
        if message.report and message.outcome is Outcome.APPLIED:
            for entry in message.report.entries:
                yield message.report, entry


def _plain(event: tuple[object, ...]) -> str:
    return " ".join("-" if part is None else str(part) for part in event)
