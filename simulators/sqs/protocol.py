"""AWS JSON 1.0, from a request's bytes to a call and from an answer to bytes.

https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html
"""

import json
from typing import NamedTuple

import msgspec

from simulators.sqs.errors import SqsError
from simulators.sqs.parameters import OPERATIONS, Answer, Arguments, NoBody
from simulators.sqs.wire import HttpRequest, render_head

_TARGET = "AmazonSQS."


class Question(NamedTuple):
    """An operation and its arguments."""

    operation: str
    arguments: Arguments
    access_key: str = ""
    """The access key of the signature."""


def read_question(request: HttpRequest) -> Question:
    """Parse a request.

    Raises:
        SqsError: it is not signed, or not an operation that we know. No signature is checked.

    """
    signature = request.headers.get("authorization", "")
    if not signature:
        raise SqsError("MissingAuthenticationTokenException", "Missing Authentication Token")
    if not signature.startswith("AWS4-HMAC-SHA256 "):
        raise SqsError("IncompleteSignature", "It is no signature of version 4.", status=403)
    target = request.headers.get("x-amz-target", "")
    operation = target.removeprefix(_TARGET)
    if request.method != "POST" or not target.startswith(_TARGET):
        raise SqsError("UnknownOperationException", "Only AWS JSON 1.0 is simulated.")
    if operation not in OPERATIONS:
        raise SqsError("UnsupportedOperation", f"The operation {operation} is not simulated.")
    try:
        arguments = json.loads(request.body)
    except ValueError as error:
        raise SqsError("SerializationException", str(error)) from None
    if not isinstance(arguments, dict):
        raise SqsError("SerializationException", "The body is not a JSON object.")
    access_key = signature.partition("Credential=")[2].partition("/")[0]
    return Question(operation, arguments, access_key)


def render_answer(answer: Answer, number: int) -> tuple[bytes, bytes]:
    """Render head and body of an answer."""
    body = b"" if isinstance(answer, NoBody) else msgspec.json.encode(answer)
    return render_head(200, _identified(number), len(body)), body


def render_error(error: SqsError, number: int) -> tuple[bytes, bytes]:
    """Render head and body of an error."""
    document = {"__type": f"com.amazonaws.sqs#{error.shape}", "message": error.text}
    body = json.dumps(document).encode()
    headers = _identified(number)
    headers["x-amzn-query-error"] = f"{error.code};{error.culprit}"
    return render_head(error.status, headers, len(body)), body


def _identified(number: int) -> dict[str, str]:
    return {"x-amzn-RequestId": f"00000000-0000-4000-8000-{number:012x}"}
