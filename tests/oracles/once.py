"""I2 and I3: each event is applied once, for each of its users, and enqueued once to each sink."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from support.hostile import is_theirs, mark_in

from oracles.database import Database, Row
from oracles.findings import Finding
from oracles.parsing import Recipient, SesFeedback
from oracles.published import Event, PublishedEvents

NOTICES = {"bounce": "bounce_notice", "complaint": "complaint_notice"}


@dataclass(slots=True)
class User:
    """What the events mean for a user; written without the worker's rules."""

    hard: int = 0
    soft: int = 0
    complaints: int = 0
    blocked: bool = False
    last_hard: datetime | None = None
    last_soft: datetime | None = None
    last_complaint: datetime | None = None
    paused_until: datetime | None = None
    pause_reason: str | None = field(default=None, kw_only=True)
    first_refused: datetime | None = field(default=None, compare=False, kw_only=True)
    """SES's own refusals date a user only while no mailbox has bounced: the earliest does."""


def twice(published: PublishedEvents, unknown_rows: Collection[Row]) -> Iterator[Finding]:
    """Check the rows of `events`."""
    for row in unknown_rows:
        yield Finding("I2", f"a row that nobody's event wants: {row}")
    for event in published.events:
        for key, count in event.rows.items():
            if count > event.expected[key]:
                yield Finding("I2", f"{count} rows for {key or 'nobody'} of {event.feedback}")


def counts(published: PublishedEvents, database: Database, *, everybody: bool) -> Iterator[Finding]:
    """Check the users: a user counted twice has a single row of `events` all the same.

    `everybody`: every recipient is made a user.
    """
    users: dict[str, User] = {}
    for event in published.events:
        for recipient in event.feedback.recipients:
            if recipient.key and event.rows.get(recipient.key):
                _befall(users.setdefault(recipient.key, User()), event.feedback, recipient)
    for user in users.values():
        user.last_hard = user.last_hard or user.first_refused
        _pause(user)
    found = database.rows(
        "SELECT email_key, hard_bounce_count, soft_bounce_count, complaint_count, auto_block_spam,"
        " pause_reason, last_hard_bounce, last_soft_bounce, last_complaint, paused_until FROM users"
    )
    if everybody:
        for key in users.keys() - {row[0] for row in found}:
            yield Finding("I2", f"{key} was not made a user")
    for key, hard, soft, complaints, blocked, reason, *dates in found:
        if is_theirs(key):
            continue
        last = [database.moment(date) if date else None for date in dates]
        there = User(hard, soft, complaints, bool(blocked), *last, pause_reason=reason)
        if there != (expected := users.get(key, User())):
            yield Finding("I2", f"{key} is {there}, and must be {expected}")


def _befall(user: User, expected: SesFeedback, recipient: Recipient) -> None:
    """Count what happened to a user. The order does not matter here."""
    if expected.kind == "complaint":
        if expected.type != "not-spam" and not expected.refuses:
            user.complaints += 1
            user.blocked = True
            user.last_complaint = _later(user.last_complaint, expected.at)
    elif recipient.spam:
        user.blocked = True
    elif expected.lowered_type == "permanent":
        user.hard += 1
        if expected.refuses:
            user.first_refused = min(filter(None, [user.first_refused, expected.at]), default=None)
        else:
            user.last_hard = _later(user.last_hard, expected.at)
    elif expected.lowered_type == "transient":
        user.soft += 1
        user.last_soft = _later(user.last_soft, expected.at)


def _pause(user: User) -> None:
    """Thirty days from a hard bounce, a day from a soft bounce: the later end counts."""
    for since, days, reason in (
        (user.last_soft, 1, "soft_bounce"),
        (user.last_hard, 30, "hard_bounce"),
    ):
        until = since and since + timedelta(days=days)
        if until and (user.paused_until is None or until >= user.paused_until):
            user.paused_until, user.pause_reason = until, reason


def _later(first: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, [first, other]), default=None)


def expected_effects(
    published: PublishedEvents,
    database: Database,
    *,
    quiet: Callable[[str], bool],
    removed: Callable[[str], bool],
) -> Iterator[Finding]:
    """Check the outbox: a notice for each notification, a removal for each address."""
    expected: Counter[tuple[str, str, str]] = Counter()
    for event in published.events:
        expected.update(_expected_effects(event, quiet, removed))
    query = "SELECT kind, ses_message_id, recipient FROM outbox WHERE kind IN (?, ?, ?)"
    rows = database.rows(query, (*NOTICES.values(), "removal"))
    # Not of hostile bodies: some have no id to look for in the outbox.
    found = Counter(row for row in rows if row[1] and not mark_in(row[1]))
    for effect in (expected - found).elements():
        yield Finding("I3", f"never written into the outbox: {effect}")
    for effect in (found - expected).elements():
        yield Finding("I3", f"once too often in the outbox: {effect}")


def _expected_effects(
    event: Event, quiet: Callable[[str], bool], removed: Callable[[str], bool]
) -> Iterator[tuple[str, str, str]]:
    feedback = event.feedback
    reported = [key for key in event.rows if not (key and quiet(key))]
    if reported:
        yield NOTICES[feedback.kind], feedback.ses_message_id, ""
    for key in reported:
        if feedback.kind == "bounce" and key and removed(key):
            yield "removal", feedback.ses_message_id, key
