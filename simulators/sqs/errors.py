"""SQS's errors, in both spellings that boto3 can read.

The JSON protocol names an error by its shape, in `__type`; what the Query protocol called it
travels in the header `x-amzn-query-error`, and is what boto3 shows as `Error.Code`.
"""

from collections.abc import Mapping

_NAMESPACE = "AWS.SimpleQueueService"
_LEGACY: Mapping[str, tuple[str, int]] = {
    "BatchEntryIdsNotDistinct": (f"{_NAMESPACE}.BatchEntryIdsNotDistinct", 400),
    "BatchRequestTooLong": (f"{_NAMESPACE}.BatchRequestTooLong", 400),
    "EmptyBatchRequest": (f"{_NAMESPACE}.EmptyBatchRequest", 400),
    "InvalidBatchEntryId": (f"{_NAMESPACE}.InvalidBatchEntryId", 400),
    "InvalidParameterValueException": ("InvalidParameterValue", 400),
    "MissingAuthenticationTokenException": ("MissingAuthenticationToken", 403),
    "MissingRequiredParameterException": ("MissingParameter", 400),
    "OverLimit": ("OverLimit", 403),
    "PurgeQueueInProgress": (f"{_NAMESPACE}.PurgeQueueInProgress", 403),
    "QueueDeletedRecently": (f"{_NAMESPACE}.QueueDeletedRecently", 400),
    "QueueDoesNotExist": (f"{_NAMESPACE}.NonExistentQueue", 400),
    "QueueNameExists": ("QueueAlreadyExists", 400),
    "ReceiptHandleIsInvalid": ("ReceiptHandleIsInvalid", 404),
    "ResourceNotFoundException": ("ResourceNotFoundException", 404),
    "TooManyEntriesInBatchRequest": (f"{_NAMESPACE}.TooManyEntriesInBatchRequest", 400),
    "UnsupportedOperation": (f"{_NAMESPACE}.UnsupportedOperation", 400),
}
"""Shapes whose legacy code or HTTP status is not the shape's own name and 400."""


class SqsError(Exception):
    """An error of a request, or of an entry of a batch."""

    def __init__(self, shape: str, text: str, *, status: int | None = None) -> None:
        super().__init__(f"{shape}: {text}")
        self.shape = shape
        self.text = text
        self.code, usual_status = _LEGACY.get(shape, (shape, 400))
        self.status = usual_status if status is None else status

    @property
    def culprit(self) -> str:
        """`Sender` or `Receiver`, as the Query protocol names the fault's side."""
        return "Receiver" if self.status >= 500 else "Sender"


def invalid(text: str) -> SqsError:
    """Return the error that most wrong values have in common."""
    return SqsError("InvalidParameterValueException", text)


def invalid_value(value: object, parameter: str, reason: str) -> SqsError:
    """Return the same error with SQS's usual sentence."""
    return invalid(f"Value {value} for parameter {parameter} is invalid. Reason: {reason}")


def missing(parameter: str) -> SqsError:
    """Return the error for a parameter that is absent or empty."""
    text = f"The request must contain the parameter {parameter}."
    return SqsError("MissingRequiredParameterException", text)


def no_such_queue() -> SqsError:
    """Return the error for a queue that does not exist."""
    return SqsError("QueueDoesNotExist", "The specified queue does not exist.")
