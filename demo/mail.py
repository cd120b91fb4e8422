"""Writes what SES writes, in both its shapes, about invented mail.

Formats: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html (notifications) and
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html (events).
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct

ACCOUNT = "111122223333"
SENDER = "notices@mail.example.com"
FEEDBACK_LOOP = "ExampleISP-Feedback-Loop/2.0"


class Shape(StrEnum):
    """SES's publishing route."""

    NOTIFICATION = "notification"
    EVENT = "event"
    OTHER = "other"


class Entry(Struct, frozen=True):
    """A recipient as SES reports it, and the expected decision."""

    reported: str | None
    action: str
    rule: str
    answer: str = ""
    """The diagnostic of the receiving server."""
    match: str = "found"
    person: str = ""
    """The user's address, where SES spells it differently."""

    @property
    def key(self) -> str:
        """`events.recipient`."""
        return self.person or self.reported or ""


class Report(Struct, frozen=True, kw_only=True):
    """A bounce or complaint."""

    kind: str
    shape: Shape
    type: str | None
    subtype: str | None
    hours: float
    """How long ago it happened."""
    entries: tuple[Entry, ...]

    def at(self, now: datetime) -> datetime:
        """When it happened."""
        return now - timedelta(hours=self.hours)


def write_report(report: Report, number: int, now: datetime, shape: Shape | None = None) -> str:
    """Write a report as SES does; another `shape` is the same feedback by the other route.

    The SES message id and the event's time are the same on both routes. The feedback id differs:
    AWS does not say whether it does, and the worker must not rely on it.
    """
    shape, at = shape or report.shape, report.at(now)
    body: dict[str, Any] = {"feedbackId": _ses_id(at, f"{shape} {number}"), "timestamp": _iso(at)}
    people = [_recipient(entry) for entry in report.entries if entry.match != "no_recipients"]
    if report.kind == "Bounce":
        body |= {
            "bounceType": report.type,
            "bounceSubType": report.subtype,
            "bouncedRecipients": people,
            "reportingMTA": "dns; mx1.example.org",
        }
    else:
        body |= {"complainedRecipients": people, "complaintSubType": report.subtype}
        if report.type:
            body |= {"complaintFeedbackType": report.type, "userAgent": FEEDBACK_LOOP}
    sent_to = [entry.reported for entry in report.entries if entry.reported]
    mail = _mail(shape, str(number), at - timedelta(seconds=3), sent_to)
    return _rendered(shape, report.kind, {report.kind.lower(): body}, mail)


def write_other(
    shape: Shape, kind: str, part: Mapping[str, Any], recipient: str, at: datetime
) -> str:
    """Write a message of SES's that is neither a bounce nor a complaint."""
    mail = _mail(shape, f"{kind} {recipient}", at - timedelta(seconds=3), [recipient])
    dated = {
        name: {"timestamp": _iso(at)} | value if name in _DATED else value
        for name, value in part.items()
    }
    return _rendered(shape, kind, dated, mail)


_DATED = frozenset({"delivery", "open", "click", "deliveryDelay", "subscription"})
_TYPE_KEY = {Shape.NOTIFICATION: "notificationType", Shape.EVENT: "eventType"}


def _rendered(shape: Shape, kind: str, part: Mapping[str, Any], mail: Mapping[str, Any]) -> str:
    return json.dumps({_TYPE_KEY[shape]: kind, **part, "mail": mail}) + "\n"


def _mail(shape: Shape, name: str, at: datetime, sent_to: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "timestamp": _iso(at),
        "source": f"Example Notices <{SENDER}>",
        "sourceArn": f"arn:aws:ses:eu-west-1:{ACCOUNT}:identity/mail.example.com",
        "sendingAccountId": ACCOUNT,
        "messageId": _ses_id(at, f"mail {name}"),
        "destination": sent_to,
        "headersTruncated": False,
        "commonHeaders": {"from": [f"Example Notices <{SENDER}>"], "subject": "Your receipt"},
    }
    if shape is Shape.EVENT:
        found["tags"] = {"ses:configuration-set": ["transactional"], "campaign": ["welcome"]}
    return found


def _recipient(entry: Entry) -> dict[str, str]:
    found = {} if entry.reported is None else {"emailAddress": entry.reported}
    if entry.answer:
        status = entry.answer.split()[1]
        found |= {"action": "failed", "status": status, "diagnosticCode": f"smtp; {entry.answer}"}
    return found


def _ses_id(at: datetime, name: str) -> str:
    """Return an id like SES's: the time, then a UUID."""
    milliseconds = round(at.timestamp() * 1000)
    return f"0102{milliseconds:012x}-{uuid.uuid5(uuid.NAMESPACE_URL, name)}-000000"


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
