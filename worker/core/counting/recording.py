"""Counts what a commit decides and what it only counts, as facts."""

from collections.abc import MutableMapping
from datetime import datetime, timedelta

from msgspec import to_builtins

from worker.core.counting.facts import BLOCKED, HOUR, PAUSED, REPEATED, UNKNOWN, Fact
from worker.core.counting.names import Measure
from worker.core.model import Counted, Decision, Kind, User

OLDEST = timedelta(days=15)
"""How long before its receipt a message may be counted: SQS keeps none for longer than 14 days."""
_LONGEST_STATUS = len("5.999.999")
_COMPLAINT = Kind.COMPLAINT


def count_decision(
    facts: MutableMapping[Fact, int], decision: Decision, before: User | None
) -> None:
    """Count a new bounce or complaint; `before`: the user's record before the decision."""
    feedback = decision.feedback
    notification, recipient = feedback.notification, feedback.recipient
    mail, address, status = notification.mail, recipient.address, recipient.status
    hour: str = to_builtins(decision.occurred_at)[:HOUR]
    fact = (
        hour,
        str(notification.kind),
        notification.type or "",
        notification.subtype or "",
        address.key.rpartition("@")[2] if address else "",
        mail.configuration_set,
        mail.tenant,
        feedback.fault,
        status if len(status) <= _LONGEST_STATUS else "",
        _became(decision, before) if address else "",
    )
    facts[fact] = facts.get(fact, 0) + 1


def _became(decision: Decision, before: User | None) -> str:
    after = decision.user
    if after is None:
        return UNKNOWN
    if before is None:
        before = User(email="", email_key="")
        became = ""
    elif decision.feedback.notification.kind is _COMPLAINT:
        became = REPEATED if before.complaint_count else ""
    else:
        became = REPEATED if before.hard_bounce_count or before.soft_bounce_count else ""
    if after is before:
        return became
    until, until_before = after.paused_until, before.paused_until
    if until is not None and (until_before is None or until > until_before):
        became += PAUSED
    if after.auto_block_spam and not before.auto_block_spam:
        became += BLOCKED
    return became


def count_event(
    facts: MutableMapping[Fact, int], event: Counted, received_at: datetime, receive_count: int
) -> None:
    """Count an event of which nothing else is kept."""
    occurred_at = event.occurred_at or received_at
    if occurred_at > received_at:
        occurred_at = received_at
    elif received_at - occurred_at > OLDEST:
        occurred_at = received_at - OLDEST
    hour: str = to_builtins(occurred_at)[:HOUR]
    what, mail = event.measure, (event.configuration_set, event.tenant, "", "", "")
    for domain in event.domains:
        fact = (hour, what, event.type, "", domain, *mail)
        facts[fact] = facts.get(fact, 0) + 1
    if receive_count > 1:
        domain = event.domains[0] if len(set(event.domains)) == 1 else ""
        fact = (hour, Measure.RECEIVED_AGAIN.value, "", "", domain, *mail)
        facts[fact] = facts.get(fact, 0) + receive_count - 1
