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
TENANT = "arn:aws:ses:eu-west-1:111122223333:tenant/acme/tn-000000000000"
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


def in_eventbridge(message: str, **more: Any) -> str:
    """The same in EventBridge's wrapper, as an event."""
    detail = json.loads(message)
    if kind := detail.pop("notificationType", None):
        detail["eventType"] = kind
    kinds = {"Bounce": "Email Bounced", "Complaint": "Email Complaint Received"}
    return _in_wrapper(kinds[detail["eventType"]], **{"detail": detail} | more)


def sending_status(status: str = "DISABLED", **more: Any) -> str:
    """EventBridge's event that SES has stopped or resumed sending, for a tenant."""
    record = {
        "status": status,
        "cause": "Reputation finding: bounce rate.",
        "lastUpdatedTimestamp": [2026, 11, 20, 9, 0, 0, 0],
    }
    detail = {"version": "1.0.0", "data": {"origin": "AWS_MANAGED", "record": record}}
    return _in_wrapper(f"Sending Status {status.title()}", **{"detail": detail} | more)


def finding(status: str = "Open", **more: Any) -> str:
    """EventBridge's event about a finding of SES's advisor, for a tenant."""
    detail = {
        "version": "1.0.0",
        "data": "The bounce rate exceeded 15.0% based on a volume of 197 emails.",
        "metadata": {"impact": "HIGH", "type": "BOUNCE"},
    }
    return _in_wrapper(f"Advisor Recommendation Status {status}", **{"detail": detail} | more)


def _in_wrapper(detail_type: str, **more: Any) -> str:
    wrapper = {
        "version": "0",
        "id": f"a0000000-0000-4000-8000-{next(_numbers):012}",
        "detail-type": detail_type,
        "source": "aws.ses",
        "account": "111122223333",
        "time": "2026-11-20T08:15:35Z",
        "region": "eu-west-1",
        "resources": [TENANT],
    }
    return json.dumps(wrapper | more)


def in_records(*envelopes: str) -> str:
    """The event that Lambda gives to a function that is subscribed to a topic."""
    spelt_so = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}
    envelopes_read = (json.loads(envelope) for envelope in envelopes)
    records = [
        {
            "EventSource": "aws:sns",
            "EventVersion": "1.0",
            "Sns": {spelt_so.get(name, name): value for name, value in envelope.items()},
        }
        for envelope in envelopes_read
    ]
    return json.dumps({"Records": records})


def in_records_of_sqs(*bodies: str) -> str:
    """The event that Lambda gives to a function that reads a queue."""
    records = [
        {"messageId": f"sqs-{next(_numbers)}", "body": body, "eventSource": "aws:sqs"}
        for body in bodies
    ]
    return json.dumps({"Records": records})


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
