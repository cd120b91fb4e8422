"""What a message says, by a small parser of the oracles' own.

Nothing of the worker's is imported: what it reads wrongly, this must not read wrongly with it. It
knows what `tests/oracles` publishes and what AWS documents, and is as plain as it can be.
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

TOPIC_VALIDATED = "Successfully validated SNS topic for Amazon SES event publishing."
_REFUSALS = frozenset({
    "suppressed", "onaccountsuppressionlist", "ontenantsuppressionlist", "emailvalidationsuppressed",
})  # fmt: skip


class Sort(StrEnum):
    """What a body is."""

    FEEDBACK = "feedback"
    IGNORED = "ignored"
    UNREADABLE = "unreadable"


class Recipient(NamedTuple):
    """A recipient."""

    key: str
    """The normalised address; empty where there is none, or none that can be used."""
    spam: bool
    """The diagnostic has the word spam, outside addresses."""


class SesFeedback(NamedTuple):
    """What a body says."""

    sort: Sort
    reason: str = ""
    """The reason for a dead letter, if the body cannot be read."""
    kind: str = ""
    type: str | None = None
    subtype: str | None = None
    feedback_id: str = ""
    ses_message_id: str = ""
    at: datetime | None = None
    recipients: tuple[Recipient, ...] = ()

    @property
    def names(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The keys that make two notifications the same event: feedback id, and route."""
        route = (self.kind, self.ses_message_id, self.type, self.subtype, self.at)
        return ("id", self.kind, self.feedback_id), ("route", *route)

    @property
    def refuses(self) -> bool:
        """SES refused to send; no mailbox answered."""
        subtype = (self.subtype or "").lower()
        if self.kind == "complaint":
            return subtype.endswith("suppressionlist")
        return self.lowered_type == "permanent" and subtype in _REFUSALS

    @property
    def lowered_type(self) -> str:
        """The type; its case does not matter."""
        return (self.type or "").lower()


def read(body: str) -> SesFeedback:
    """Read a message in either of SES's two shapes: raw, in SNS's envelope, or from EventBridge."""
    if body.strip() == TOPIC_VALIDATED:
        return SesFeedback(Sort.IGNORED)
    try:
        feedback = json.loads(body)
    except (ValueError, RecursionError):
        return SesFeedback(Sort.UNREADABLE, "not_json")
    if _depth(feedback) > 100:
        return SesFeedback(Sort.UNREADABLE, "not_json")
    if not isinstance(feedback, dict):
        return SesFeedback(Sort.UNREADABLE, "not_an_object")
    if "notificationType" not in feedback and "eventType" not in feedback and "Type" in feedback:
        return _unwrapped(feedback)
    return _of_ses(feedback)


def _depth(value: Any) -> int:
    """The depth of nested objects and arrays."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return max(map(_depth, inner), default=0) + isinstance(value, dict | list)


def _unwrapped(envelope: Mapping[str, Any]) -> SesFeedback:
    match envelope["Type"], envelope.get("Message"):
        case "Notification", str(message):
            return read(message)
        case "SubscriptionConfirmation", _:
            return SesFeedback(Sort.UNREADABLE, "subscription_confirmation")
        case "UnsubscribeConfirmation", _:
            return SesFeedback(Sort.UNREADABLE, "unsubscribe_confirmation")
    return SesFeedback(Sort.UNREADABLE, "unknown_envelope")


def _of_ses(expected: Mapping[str, Any]) -> SesFeedback:
    kind = expected.get("notificationType") or expected.get("eventType")
    if not isinstance(kind, str):
        if expected.get("Event") == "s3:TestEvent":
            return SesFeedback(Sort.IGNORED)
        if expected.get("source") == "aws.ses" and isinstance(expected.get("detail"), dict):
            return _of_ses(expected["detail"])
        wrapped = "detail-type" in expected and "source" in expected
        return SesFeedback(Sort.UNREADABLE, "foreign_event" if wrapped else "no_type")
    match kind.lower():
        case "bounce":
            return _feedback(expected, "bounce", "bounceType", "bounceSubType", "bouncedRecipients")
        case "complaint":
            names = ("complaintFeedbackType", "complaintSubType", "complainedRecipients")
            return _feedback(expected, "complaint", *names)
    return SesFeedback(Sort.IGNORED)


def _feedback(
    expected: Mapping[str, Any], kind: str, type_: str, subtype: str, recipients: str
) -> SesFeedback:
    report = expected.get(kind)
    if not isinstance(report, dict):
        return SesFeedback(Sort.UNREADABLE, "no_object")
    entries = report.get(recipients) or []
    if not isinstance(entries, list):
        return SesFeedback(Sort.UNREADABLE, "recipients_not_a_list")
    if len(entries) > 1_000:
        return SesFeedback(Sort.UNREADABLE, "too_many_recipients")
    return SesFeedback(
        Sort.FEEDBACK,
        kind=kind,
        type=report.get(type_),
        subtype=report.get(subtype),
        feedback_id=report.get("feedbackId") or "",
        ses_message_id=expected.get("mail", {}).get("messageId") or "",
        at=_time(report.get("timestamp")),
        recipients=tuple(_people(entries)) or (Recipient("", spam=False),),
    )


def _people(entries: list[Any]) -> Iterator[Recipient]:
    """Each person once: the spelling whose diagnostic says spam, else the first; nameless all."""
    people: dict[str, bool] = {}
    for entry in entries:
        key = normal(entry.get("emailAddress") if isinstance(entry, dict) else None)
        spam = isinstance(entry, dict) and _says_spam(str(entry.get("diagnosticCode")))
        if key:
            people[key] = people.get(key, False) or spam
        else:
            yield Recipient("", spam)
    for key, spam in people.items():
        yield Recipient(key, spam)


def normal(reported: object) -> str:
    """The key that spellings of an address share, `email_key`; empty if it is no address."""
    if not isinstance(reported, str):
        return ""
    text = unicodedata.normalize("NFC", reported).strip()
    if bracketed := re.search(r"<([^<>]*)>[^<>]*\Z", text):
        text = bracketed[1].strip()
    local, _, domain = text.rpartition("@")
    if not local or not domain or re.search(r"\s", text):
        return ""
    domain = domain.removesuffix(".").lower()
    if not domain.isascii():
        domain = domain.encode("idna").decode()
    return f"{local.lower()}@{domain}"


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _says_spam(diagnostic: str) -> bool:
    words = diagnostic.lower().replace("<", " ").replace(">", " ").split()
    return any("spam" in word and "@" not in word for word in words)
