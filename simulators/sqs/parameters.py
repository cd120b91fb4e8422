"""Required and optional parameters of requests, checked before an operation is performed."""

import re
from collections.abc import Mapping
from typing import Any

from simulators.sqs.errors import SqsError, invalid_value, missing
from simulators.sqs.quotas import LARGEST_BATCH

Arguments = dict[str, Any]
Answer = dict[str, Any]


class NoBody(Answer):
    """An empty answer that is sent as no byte at all, in place of `{}`."""


_PARAMETERS: Mapping[str, str] = {
    "CancelMessageMoveTask": "TaskHandle",
    "ChangeMessageVisibility": "QueueUrl ReceiptHandle VisibilityTimeout",
    "ChangeMessageVisibilityBatch": "QueueUrl Entries",
    "CreateQueue": "QueueName Attributes?",
    "DeleteMessage": "QueueUrl ReceiptHandle",
    "DeleteMessageBatch": "QueueUrl Entries",
    "DeleteQueue": "QueueUrl",
    "GetQueueAttributes": "QueueUrl AttributeNames?",
    "GetQueueUrl": "QueueName",
    "ListDeadLetterSourceQueues": "QueueUrl MaxResults? NextToken?",
    "ListMessageMoveTasks": "SourceArn MaxResults?",
    "ListQueues": "QueueNamePrefix? MaxResults? NextToken?",
    "PurgeQueue": "QueueUrl",
    "ReceiveMessage": "QueueUrl AttributeNames? MessageSystemAttributeNames?"
    " MessageAttributeNames? MaxNumberOfMessages? VisibilityTimeout? WaitTimeSeconds?",
    "SendMessage": "QueueUrl MessageBody DelaySeconds? MessageAttributes?",
    "SendMessageBatch": "QueueUrl Entries",
    "SetQueueAttributes": "QueueUrl Attributes",
    "StartMessageMoveTask": "SourceArn DestinationArn? MaxNumberOfMessagesPerSecond?",
}
"""By operation; a question mark marks optional parameters."""
_IN_ENTRIES: Mapping[str, str] = {
    "ChangeMessageVisibilityBatch": "Id ReceiptHandle VisibilityTimeout",
    "DeleteMessageBatch": "Id ReceiptHandle",
    "SendMessageBatch": "Id MessageBody DelaySeconds? MessageAttributes?",
}
_TYPES: Mapping[str, type] = {
    "AttributeNames": list,
    "Attributes": dict,
    "DelaySeconds": int,
    "Entries": list,
    "MaxNumberOfMessages": int,
    "MaxNumberOfMessagesPerSecond": int,
    "MaxResults": int,
    "MessageAttributeNames": list,
    "MessageAttributes": dict,
    "MessageSystemAttributeNames": list,
    "VisibilityTimeout": int,
    "WaitTimeSeconds": int,
}
"""All other parameters are strings."""
OPERATIONS = frozenset(_PARAMETERS)
_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check(operation: str, arguments: Arguments) -> None:
    """Refuse a request that lacks a parameter, or has a parameter that is not simulated.

    Raises:
        SqsError: it does.

    """
    _check(operation, _PARAMETERS[operation], arguments)
    if operation in _IN_ENTRIES:
        _check_batch(operation, arguments["Entries"])


def whole(arguments: Arguments, name: str, low: int, high: int, *, default: int = 0) -> int:
    """Parse a whole number.

    Raises:
        SqsError: it is out of range.

    """
    value: int = arguments.get(name, default)
    if not low <= value <= high:
        raise invalid_value(value, name, f"Must be between {low} and {high}, if provided.")
    return value


def _check(operation: str, specification: str, arguments: Arguments) -> None:
    names = specification.split()
    for name in names:
        if not name.endswith("?") and arguments.get(name, "") == "":
            raise missing(name)
    known = {name.rstrip("?") for name in names}
    for name, value in arguments.items():
        if name not in known:
            text = f"The parameter {name} of {operation} is not simulated."
            raise SqsError("UnsupportedOperation", text)
        requested = _TYPES.get(name, str)
        if not isinstance(value, requested) or isinstance(value, bool):
            text = f"{name} is to be of type {requested.__name__}, and is {value!r}."
            raise SqsError("SerializationException", text)


def _check_batch(operation: str, entries: list[Arguments]) -> None:
    if not entries:
        text = f"There should be at least one {operation}RequestEntry in the request."
        raise SqsError("EmptyBatchRequest", text)
    if len(entries) > LARGEST_BATCH:
        text = f"Maximum number of entries per request are {LARGEST_BATCH}. You have sent "
        raise SqsError("TooManyEntriesInBatchRequest", f"{text}{len(entries)}.")
    observed = set()
    for entry in entries:
        if not _ENTRY_ID.fullmatch(entry.get("Id") or ""):
            raise SqsError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and"
                " underscores. It can be at most 80 letters long.",
            )
        if entry["Id"] in observed:
            raise SqsError("BatchEntryIdsNotDistinct", f"Id {entry['Id']} repeated.")
        observed.add(entry["Id"])
        _check(operation, _IN_ENTRIES[operation], entry)
