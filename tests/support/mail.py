"""What SES says, in as few words as a test needs."""

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

_numbers = itertools.count(1)
TIME = "2026-11-20T08:15:33.000Z"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
"""When messages are received, where the clock is an argument."""
TOPIC = "arn:aws:sns:eu-west-1:111122223333:ses-feedback"


def recipient(address: str | None, **more: Any) -> dict[str, Any]:
    """An entry of bouncedRecipients or complainedRecipients."""
    return ({} if address is None else {"emailAddress": address}) | more


def bounce(
    *recipients: str | dict[str, Any],
    type: str | None = "Permanent",
    subtype: str | None = "General",
    at: Any = TIME,
    feedback_id: str | None = None,
    message_id: str | None = None,
    event: bool = False,
    **more: Any,
) -> str:
    """A bounce, as a notification or (event) as event publishing has it."""
    number = next(_numbers)
    fields = {
        "bounceType": type,
        "bounceSubType": subtype,
        "bouncedRecipients": [recipient(r) if isinstance(r, str) else r for r in recipients],
        "timestamp": at,
        "feedbackId": feedback_id or f"0100-feedback-{number}",
    }
    return _message("Bounce", {"bounce": fields | more}, message_id or f"0100-mail-{number}", event)


def complaint(
    *recipients: str,
    feedback: str | None = "abuse",
    subtype: str | None = None,
    at: Any = TIME,
    feedback_id: str | None = None,
    message_id: str | None = None,
    event: bool = False,
    **more: Any,
) -> str:
    """A complaint, likewise."""
    number = next(_numbers)
    fields = {
        "complaintFeedbackType": feedback,
        "complaintSubType": subtype,
        "complainedRecipients": [recipient(r) for r in recipients],
        "timestamp": at,
        "feedbackId": feedback_id or f"0100-feedback-{number}",
        "userAgent": "ExampleISP-Feedback-Loop/2.0",
    }
    return _message(
        "Complaint", {"complaint": fields | more}, message_id or f"0100-mail-{number}", event
    )


def enveloped(message: str, topic: str = TOPIC, **more: Any) -> str:
    """The same in an SNS envelope, as it comes without raw message delivery."""
    envelope = {
        "Type": "Notification",
        "MessageId": f"sns-{next(_numbers)}",
        "TopicArn": topic,
        "Message": message,
        "Timestamp": "2026-11-20T08:15:34.000Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-00.pem",
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
    }
    return json.dumps(envelope | more, indent=2)


def _message(kind: str, body: dict[str, Any], message_id: str, event: bool) -> str:
    named = {"eventType" if event else "notificationType": kind}
    mail = {"timestamp": TIME, "messageId": message_id, "destination": ["others@example.com"]}
    return json.dumps(named | body | {"mail": mail}) + "\n"


def without(message: str, *path: str) -> str:
    """The same message without a key."""
    whole = json.loads(message)
    place = whole
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return json.dumps(whole)


def addresses(count: int) -> Sequence[str]:
    """So many different people."""
    return [f"person{number}@example.com" for number in range(count)]
