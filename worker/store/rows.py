"""Converts users, decisions, messages and outbox entries to rows, the same for both databases."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec

from worker import __version__
from worker.core.account_events import NewAccountEvent
from worker.core.effects import OutboxEntry
from worker.core.folding import Recorded
from worker.core.keys import forgiveness_key
from worker.core.messages import DeadLetter, Received
from worker.core.model import (
    FORGIVENESS,
    Action,
    Decision,
    Feedback,
    Forgiveness,
    Kind,
    Notification,
    Recipient,
    User,
    UserMatch,
)
from worker.core.parsing import as_time, clip
from worker.core.past import OnRecord
from worker.core.policy import TIMED_COMPLAINT

EVENT_COLUMNS = (
    "dedupe_key", "route_key", "kind", "type", "subtype", "recipient", "recipient_as_reported",
    "user_match", "action", "reason", "occurred_at", "received_at", "feedback_id",
    "ses_message_id", "diagnostic", "status", "configuration_set", "tenant", "sender", "sent_at",
    "account_id", "region", "route", "tags", "fault", "mentions_spam",
    "out_of_office", "permanent_status", "claimed_at",
)  # fmt: skip
FORGIVENESS_COLUMNS = (
    "dedupe_key", "route_key", "kind", "recipient", "recipient_as_reported", "user_match", "action",
    "reason", "occurred_at", "received_at", "feedback_id", "ses_message_id", "diagnostic", "status",
)  # fmt: skip
OF_OLDER_EVENTS = {
    "mentions_spam": "lower(diagnostic) LIKE '%spam%'",
    "out_of_office": "lower(type) = 'transient' AND lower(subtype) = 'general'"
    " AND status = '' AND diagnostic = ''",
    "permanent_status": "lower(type) = 'transient' AND status LIKE '5.%'",
}
"""What stands for a column in events from before the column, where it is NULL."""
PAST_COLUMNS = (
    "kind", "type", "subtype", "fault",
    *(f"coalesce({name}, {older})" for name, older in OF_OLDER_EVENTS.items()),
    "occurred_at",
)  # fmt: skip
"""What rules look at of an event, in SQL."""
PAST_KINDS = f"kind IN ('{Kind.BOUNCE}', '{Kind.COMPLAINT}', '{FORGIVENESS}')"
USER_COLUMNS = (
    "email", "email_key", "account_id", "metrics_enabled", "auto_block_spam", "last_hard_bounce",
    "last_soft_bounce", "last_complaint", "hard_bounce_count", "soft_bounce_count",
    "complaint_count", "paused_until", "pause_reason", "hard_bounce_refused",
    "soft_bounce_refused", "reinstated_at", "last_delivery",
)  # fmt: skip
FEEDBACK_COLUMNS = USER_COLUMNS[USER_COLUMNS.index("auto_block_spam") :]
"""Columns of `users` that feedback may change. The others belong to the application."""

USER_TIMES = (
    "last_hard_bounce", "last_soft_bounce", "last_complaint", "paused_until", "reinstated_at",
    "last_delivery",
)  # fmt: skip
QUARANTINE_COLUMNS = (
    "queue", "message_id", "reason", "detail", "body", "attributes", "sent_at", "received_at",
    "worker_version",
)  # fmt: skip
ACCOUNT_EVENT_COLUMNS = (
    "dedupe_key", "kind", "status", "scope", "tenant", "resource", "cause", "finding", "impact",
    "account_id", "region", "route", "occurred_at", "received_at",
)  # fmt: skip
OUTBOX_COLUMNS = (
    "kind", "lane", "state", "due_at", "created_at", "payload", "summary", "feedback_id",
    "ses_message_id", "recipient",
)  # fmt: skip

RECORDED_COLUMNS = ", ".join((
    "id", "recipient", "kind", "type", "subtype", "user_match", "action", "status", "fault",
    *(f"coalesce({name}, {older})" for name, older in OF_OLDER_EVENTS.items()),
    f"reason = '{TIMED_COMPLAINT}'", "occurred_at", "received_at",
))  # fmt: skip
"""Of `events`, what a fold needs."""
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
"""The time of an event whose time another program has made unreadable: it pauses nobody."""

SHADOW_COLUMNS = ("email_key", *FEEDBACK_COLUMNS)
AS_USER = f"email_key, email_key, NULL, 1 = 1, {', '.join(FEEDBACK_COLUMNS)}"
"""`USER_COLUMNS`, of a table that has only the columns of feedback."""

user_row = attrgetter(*USER_COLUMNS)
shadow_row = attrgetter(*SHADOW_COLUMNS)
feedback_row = attrgetter(*FEEDBACK_COLUMNS, "email_key")


def read_user(row: Sequence[Any], time: Callable[[Any], datetime | None]) -> User:
    """Read a row of `users` with the columns `USER_COLUMNS`; `time` converts a time or None.

    The columns are written out because a dictionary in between would take ten times as long.
    """
    (
        email, email_key, account_id, metrics_enabled, auto_block_spam, last_hard_bounce,
        last_soft_bounce, last_complaint, hard_bounce_count, soft_bounce_count,
        complaint_count, paused_until, pause_reason, hard_bounce_refused, soft_bounce_refused,
        reinstated_at, last_delivery,
    ) = row  # fmt: skip
    return User(
        email=email,
        email_key=email_key,
        account_id=account_id,
        metrics_enabled=bool(metrics_enabled),
        auto_block_spam=bool(auto_block_spam),
        last_hard_bounce=time(last_hard_bounce),
        last_soft_bounce=time(last_soft_bounce),
        last_complaint=time(last_complaint),
        hard_bounce_count=hard_bounce_count,
        soft_bounce_count=soft_bounce_count,
        complaint_count=complaint_count,
        paused_until=time(paused_until),
        pause_reason=pause_reason,
        hard_bounce_refused=bool(hard_bounce_refused),
        soft_bounce_refused=bool(soft_bounce_refused),
        reinstated_at=time(reinstated_at),
        last_delivery=time(last_delivery),
    )


def read_recorded(row: Sequence[Any]) -> Recorded:
    """Read a row of `events` with the columns `RECORDED_COLUMNS`, of either driver."""
    (
        id_, recipient, kind, type_, subtype, user_match, action, status, fault, mentions_spam,
        out_of_office, permanent_status, timed, occurred_at, received_at,
    ) = row  # fmt: skip
    occurred, received = as_time(occurred_at), as_time(received_at)
    return Recorded(
        id=id_,
        recipient=recipient,
        kind=kind,
        type=type_,
        subtype=subtype,
        user_match=user_match,
        action=action,
        status=status,
        fault=fault,
        mentions_spam=bool(mentions_spam),
        timed=bool(timed),
        out_of_office=bool(out_of_office),
        permanent_status=bool(permanent_status),
        occurred_at=occurred or received or _LONG_AGO,
        received_at=received or _LONG_AGO,
    )


def event_row(decision: Decision, time: Callable[[datetime], Any]) -> tuple[Any, ...]:
    """Make a row of `events` with the columns `EVENT_COLUMNS`; `time` converts a time."""
    feedback = decision.feedback
    notification, recipient = feedback.notification, feedback.recipient
    mail = notification.mail
    claimed_at = notification.occurred_at
    if claimed_at is not None and claimed_at <= decision.received_at:
        claimed_at = None
    return (
        feedback.dedupe_key,
        feedback.route_key,
        str(notification.kind),
        notification.type,
        notification.subtype,
        recipient.address.key if recipient.address else "",
        recipient.reported,
        str(decision.match),
        str(decision.action),
        decision.reason,
        time(decision.occurred_at),
        time(decision.received_at),
        notification.feedback_id,
        notification.ses_message_id,
        recipient.diagnostic,
        recipient.status,
        mail.configuration_set,
        mail.tenant,
        mail.sender,
        time(mail.sent_at) if mail.sent_at else None,
        mail.account_id,
        mail.region,
        str(notification.route),
        mail.tags,
        feedback.fault,
        recipient.mentions_spam,
        1 if feedback.out_of_office else 0,  # sqlite3 would look for an adapter for a flag
        1 if feedback.permanent_status else 0,
        time(claimed_at) if claimed_at else None,
    )


def forgiveness_row(forgiveness: Forgiveness, time: Callable[[datetime], Any]) -> tuple[Any, ...]:
    """Make a row of `events` with the columns `FORGIVENESS_COLUMNS`; `time` converts a time."""
    key = forgiveness.email_key
    unique = forgiveness_key(key, forgiveness.delivered_at)
    return (
        unique,
        unique,
        FORGIVENESS,
        key,
        key,
        str(UserMatch.FOUND),
        str(Action.NO_ACTION),
        "delivered",
        time(forgiveness.delivered_at),
        time(forgiveness.received_at),
        "",
        "",
        "",
        "",
    )


def on_record(row: Sequence[Any], time: Callable[[Any], datetime | None]) -> OnRecord:
    """Read a row with the columns `PAST_COLUMNS`; `time` converts a time."""
    kind, type_, subtype, fault, mentions_spam, out_of_office, permanent_status, at = row
    occurred_at = time(at) or _LONG_AGO
    if kind == FORGIVENESS:
        return OnRecord(occurred_at, None)
    notification = Notification(
        kind=Kind(kind),
        type=type_,
        subtype=subtype,
        feedback_id="",
        ses_message_id="",
        occurred_at=occurred_at,
    )
    feedback = Feedback(
        notification=notification,
        recipient=Recipient(address=None, mentions_spam=bool(mentions_spam)),
        dedupe_key="",
        route_key="",
        fault=fault,
        out_of_office=bool(out_of_office),
        permanent_status=bool(permanent_status),
    )
    return OnRecord(occurred_at, feedback)


def account_event_row(new: NewAccountEvent) -> tuple[Any, ...]:
    """Make a row of `account_events` with the columns `ACCOUNT_EVENT_COLUMNS`."""
    event = new.event
    return (
        event.dedupe_key,
        event.kind.value,
        event.status.value,
        event.scope.value,
        event.tenant,
        event.resource,
        event.cause,
        event.finding,
        event.impact,
        event.account_id,
        event.region,
        event.route.value,
        new.occurred_at,
        new.received_at,
    )


def encode_body(body: str) -> bytes:
    """Return a message's body as `quarantine` has it: not every body is valid UTF-8."""
    return body.encode("utf-8", "surrogatepass")


def decode_body(written: bytes | memoryview) -> str:
    """Return a message's body, which `encode_body` has written."""
    return bytes(written).decode("utf-8", "surrogatepass")


def quarantine_row(queue: str, received: Received, why: DeadLetter) -> tuple[Any, ...]:
    """Make a row of `quarantine` with the columns `QUARANTINE_COLUMNS`."""
    return (
        queue,
        received.message_id,
        why.reason.value,
        clip(why.detail),
        encode_body(received.body),
        encode_attributes(received.attributes),
        received.sent_at,
        received.received_at,
        __version__,
    )


def encode_attributes(attributes: Mapping[str, Any]) -> str:
    """Write message attributes as `quarantine` has them: JSON, binary values as base64."""
    return json.dumps(dict(attributes), default=_base64)


def outbox_row(entry: OutboxEntry) -> tuple[Any, ...]:
    """Make a row of `outbox` with the columns `OUTBOX_COLUMNS`."""
    return (
        str(entry.kind),
        entry.lane,
        "waiting",
        entry.due_at,
        entry.created_at,
        msgspec.json.encode(entry.payload).decode(),
        msgspec.json.encode(entry.summary).decode(),
        entry.feedback_id,
        entry.ses_message_id,
        entry.recipient,
    )


def _base64(value: object) -> str:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
