"""The attributes of a queue: names, defaults and valid values.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple

from simulators.sqs.errors import SqsError, invalid_value
from simulators.sqs.quotas import (
    DEFAULT_RETENTION_SECONDS,
    DEFAULT_VISIBILITY_SECONDS,
    LARGEST_MESSAGE_BYTES,
    LONGEST_DELAY_SECONDS,
    LONGEST_RETENTION_SECONDS,
    LONGEST_VISIBILITY_SECONDS,
    LONGEST_WAIT_SECONDS,
    MOST_RECEIVES,
    SHORTEST_RETENTION_SECONDS,
    SMALLEST_LIMIT_BYTES,
)


class _Whole(NamedTuple):
    """A whole number within bounds, both included."""

    default: int
    low: int
    high: int


_NUMBERS = {
    "DelaySeconds": _Whole(0, 0, LONGEST_DELAY_SECONDS),
    "MaximumMessageSize": _Whole(
        LARGEST_MESSAGE_BYTES, SMALLEST_LIMIT_BYTES, LARGEST_MESSAGE_BYTES
    ),
    "MessageRetentionPeriod": _Whole(
        DEFAULT_RETENTION_SECONDS, SHORTEST_RETENTION_SECONDS, LONGEST_RETENTION_SECONDS
    ),
    "ReceiveMessageWaitTimeSeconds": _Whole(0, 0, LONGEST_WAIT_SECONDS),
    "VisibilityTimeout": _Whole(DEFAULT_VISIBILITY_SECONDS, 0, LONGEST_VISIBILITY_SECONDS),
}
_KEPT = frozenset({
    "KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "Policy", "RedriveAllowPolicy",
    "SqsManagedSseEnabled",
})  # fmt: skip
"""Kept and returned as given; the simulator implements neither encryption nor permissions."""
COUNTED = (
    "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)  # fmt: skip
READABLE = frozenset({
    *_NUMBERS, *_KEPT, *COUNTED, "CreatedTimestamp", "LastModifiedTimestamp", "QueueArn",
    "RedrivePolicy",
})  # fmt: skip


class Redrive(NamedTuple):
    """A redrive policy: messages received more than so many times move to the target."""

    target_arn: str
    most_receives: int


class QueueAttributes:
    """The attributes that can be set on a queue."""

    def __init__(self) -> None:
        self._texts = {name: str(whole.default) for name, whole in _NUMBERS.items()}
        self._texts["SqsManagedSseEnabled"] = "true"
        self.redrive: Redrive | None = None

    def __getitem__(self, name: str) -> int:
        """Return a numeric attribute."""
        return int(self._texts[name])

    @property
    def texts(self) -> Mapping[str, str]:
        """All attributes that are set, as SQS returns them."""
        return self._texts

    def change(self, requested: Mapping[str, str], is_queue: Callable[[str], bool]) -> None:
        """Set attributes, all or none; an empty RedrivePolicy removes the policy.

        Raises:
            SqsError: an unknown name, a wrong value, or a dead-letter queue that does not exist.

        """
        for name, text in requested.items():
            _check(name, text)
        if (policy := requested.get("RedrivePolicy")) is not None:
            self.redrive = _read_redrive(policy, is_queue)
        self._texts.update(requested)
        for name in [name for name, text in self._texts.items() if not text]:
            del self._texts[name]

    def differing(self, requested: Mapping[str, str]) -> str | None:
        """Return the name of an attribute whose value differs, if any."""
        for name, text in requested.items():
            if self._texts.get(name, "") != text:
                return name
        return None


def _check(name: str, text: str) -> None:
    if name in _NUMBERS:
        _, low, high = _NUMBERS[name]
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise SqsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
    elif name not in _KEPT and name != "RedrivePolicy":
        raise SqsError("InvalidAttributeName", f"Unknown Attribute {name}.")


def _read_redrive(policy: str, is_queue: Callable[[str], bool]) -> Redrive | None:
    if not policy:
        return None
    try:
        found = json.loads(policy)
        arn, receives = found["deadLetterTargetArn"], int(found["maxReceiveCount"])
    except (ValueError, TypeError, KeyError):
        reason = "It needs deadLetterTargetArn, and maxReceiveCount as a number."
        raise invalid_value(policy, "RedrivePolicy", reason) from None
    if not 1 <= receives <= MOST_RECEIVES:
        raise invalid_value(policy, "RedrivePolicy", "Invalid value for maxReceiveCount.")
    if not is_queue(arn):
        raise invalid_value(policy, "RedrivePolicy", "Dead letter target does not exist.")
    return Redrive(arn, receives)
