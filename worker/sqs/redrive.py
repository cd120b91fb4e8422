"""Redrive policies: JSON in an attribute of a queue or a subscription. Pure.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

import json
from typing import Any

from msgspec import Struct


class RedrivePolicy(Struct, frozen=True):
    """A queue's, or a subscription's, which has no receive count."""

    target: str
    """The dead-letter queue's ARN."""
    most_receives: int | None = None
    """SQS moves a message when it was received more often."""


def read_redrive_policy(text: str) -> RedrivePolicy | None:
    """Read the attribute RedrivePolicy; None if it is empty, or no complete policy."""
    target, count = _target_and_count(text)
    try:
        # SQS shows the count as it was given, a number or a text.
        return RedrivePolicy(target, None if count is None else int(count)) if target else None
    except (ValueError, TypeError):
        return None


def read_redrive_target(text: str) -> str | None:
    """Read the dead-letter queue's ARN, whatever the count is: dead letters can be sent there."""
    return _target_and_count(text)[0]


def _target_and_count(text: str) -> tuple[str | None, Any]:
    try:
        policy: Any = json.loads(text or "{}")
        target, count = policy.get("deadLetterTargetArn"), policy.get("maxReceiveCount")
    except (ValueError, AttributeError):
        return None, None
    return target if isinstance(target, str) else None, count


def allowed_sources(text: str) -> list[str] | None:
    """Read the attribute RedriveAllowPolicy: the ARNs of the source queues; None: all may."""
    try:
        policy: Any = json.loads(text or "{}")
        if policy.get("redrivePermission", "allowAll") == "allowAll":
            return None
        return [str(arn) for arn in policy.get("sourceQueueArns", ())]
    except (ValueError, TypeError, AttributeError):
        return None  # SQS would have refused it
