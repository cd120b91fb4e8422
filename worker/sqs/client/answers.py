"""Parses SQS's answers to the calls of our client, and its errors.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

import http.client
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NotRequired, TypedDict

import msgspec
from botocore.exceptions import ClientError

from worker.sqs.client.http import Answer


class Attribute(TypedDict):
    """A message attribute, in boto3's shape."""

    DataType: str
    StringValue: NotRequired[str]
    BinaryValue: NotRequired[bytes]


class Message(TypedDict):
    """A message, in boto3's shape."""

    MessageId: str
    ReceiptHandle: str
    Body: str
    MD5OfBody: NotRequired[str | None]
    Attributes: NotRequired[dict[str, str] | None]
    MessageAttributes: NotRequired[dict[str, Attribute] | None]


class Messages(TypedDict):
    """The answer to ReceiveMessage."""

    Messages: NotRequired[list[Message] | None]


class Done(TypedDict):
    """A successful entry of a batch."""

    Id: str


class Failed(TypedDict):
    """A failed entry of a batch."""

    Id: str
    Code: NotRequired[str]
    SenderFault: NotRequired[bool]


class Batch(TypedDict):
    """The answer to a batch call."""

    Successful: NotRequired[list[Done] | None]
    Failed: NotRequired[list[Failed] | None]


class Sent(TypedDict):
    """The answer to SendMessage."""

    MessageId: NotRequired[str | None]


class SentEntry(Sent):
    """A message of a batch that was sent."""

    Id: str


class SentTogether(TypedDict):
    """The answer to SendMessageBatch."""

    Successful: NotRequired[list[SentEntry] | None]
    Failed: NotRequired[list[Failed] | None]


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Raised by the decoders; the texts quote nothing of the answer."""

_batch = msgspec.json.Decoder(Batch).decode
_messages = msgspec.json.Decoder(Messages).decode
_sent = msgspec.json.Decoder(Sent).decode
_sent_together = msgspec.json.Decoder(SentTogether).decode
_anything = msgspec.json.Decoder()


def messages(body: bytes | bytearray) -> Mapping[str, Any]:
    """Parse the answer to ReceiveMessage; a malformed message does not affect the others.

    Lone surrogates are read as boto3 reads them. Of an unreadable message only the id is left. An
    empty body is an empty answer, as boto3 reads it: some stand-ins for SQS send it when the queue
    is empty.
    """
    if not body:
        return {}
    try:
        return _messages(body)
    except UNREADABLE:
        messages = [_as_message(parsed) for parsed in _parsed_loosely(body)]
        if not any("Body" in message for message in messages):
            raise
        return {"Messages": messages}


def batch(body: bytes | bytearray) -> Mapping[str, Any]:
    """Parse the answer to a batch call; an empty body, as boto3 reads it, confirms no entry."""
    return _batch(body) if body else {}


def sent(body: bytes | bytearray) -> Mapping[str, Any]:
    """Parse the answer to SendMessage; an empty body, as boto3 reads it, confirms nothing."""
    return _sent(body) if body else {}


def sent_together(body: bytes | bytearray) -> Mapping[str, Any]:
    """Parse the answer to SendMessageBatch; an empty body confirms no entry."""
    return _sent_together(body) if body else {}


def _parsed_loosely(body: bytes | bytearray) -> list[Any]:
    with suppress(ValueError, RecursionError):
        parsed = json.loads(body.decode(errors="replace"), strict=False)
        if isinstance(parsed, dict) and isinstance(parsed.get("Messages"), list):
            return list(parsed["Messages"])
    return []


def _as_message(parsed: Any) -> Mapping[str, Any]:
    try:
        return msgspec.convert(parsed, Message)
    except (msgspec.ValidationError, ValueError):
        name = parsed.get("MessageId") if isinstance(parsed, dict) else None
        return {"MessageId": name if isinstance(name, str) else "?"}


def refusal(answer: Answer, operation: str) -> ClientError:
    """Return an error of SQS, or of a proxy before it, as boto3 would raise it."""
    code, text = _code_and_text(answer)
    error_response: Any = {
        "Error": {"Code": code, "Message": text},
        "ResponseMetadata": {
            "HTTPStatusCode": answer.status,
            "RequestId": answer.headers.get("x-amzn-requestid", ""),
        },
    }
    return ClientError(error_response, operation)


def _code_and_text(answer: Answer) -> tuple[str, str]:
    """Return code and text; the code of the older protocol, if any, since that is documented."""
    status, trimmed = str(answer.status), answer.body.strip()
    if answer.status >= 500 and (not trimmed or trimmed.startswith(b"<html>")):
        return status, http.client.responses.get(answer.status, "")
    parsed = _parsed(answer.body)
    code = parsed.get("__type")
    code = code if isinstance(code, str) else status
    code = code.partition(":")[0].rpartition("#")[2]
    older = answer.headers.get("x-amzn-query-error", "").split(";")
    text = parsed.get("message", parsed.get("Message", ""))
    return older[0] if len(older) == 2 and older[0] else code, str(text)


def _parsed(body: bytes | bytearray) -> dict[str, Any]:
    with suppress(*UNREADABLE):
        parsed = _anything.decode(body or b"{}")
        if isinstance(parsed, dict):
            return parsed
    return {"message": body.decode(errors="replace")}  # HTML of a proxy, for example
