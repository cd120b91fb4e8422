"""Our SQS client and boto3, on the same bytes of an answer: each disagreement has its reason.

docs/development/testing.md lists the reasons. A disagreement for any other reason is a finding.
"""

import json
import os
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from fuzz.targets.http import MESSAGE
from fuzz.texts import text_of
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.client import Clients, connect
from worker.sqs.client.connection import DamagedAnswer
from worker.sqs.client.digests import intact_messages
from worker.sqs.client.replacement import Replacement
from worker.sqs.client.skew import ClockSkew

CODE = ("worker.sqs.client",)
URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/feedback"
DISAGREEMENTS: Counter[str] = Counter()
"""How often each reason was met."""
_CALLS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("receive_message", {"QueueUrl": URL, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}),
    ("delete_message_batch", {"QueueUrl": URL, "Entries": [{"Id": "0", "ReceiptHandle": "h"}]}),
)
_HEADS = (
    b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: r\r\n",
    b"HTTP/1.1 400 Bad Request\r\nx-amzn-RequestId: r\r\n",
    b"HTTP/1.1 500 Oh\r\n",
    b"HTTP/1.1 403 No\r\nx-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender\r\n",
)


def seeds() -> Iterator[bytes]:
    """Yield answers in every framing, and the bodies of refusals."""
    for framing in (4, 6, 12, 20, 28):
        yield bytes([framing]) + MESSAGE
        yield bytes([framing]) + b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}'
        yield bytes([framing]) + b"<html>a proxy</html>"
    yield (
        b'\4{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":"b","MessageAttributes":'
        b'{"x":{"DataType":"Binary","BinaryValue":"AP+A"},"y":{"DataType":"String",'
        b'"StringValue":"z"}}}]}'
    )
    yield b'\5{"Successful":[{"Id":"0"}],"Failed":[{"Id":"1","Code":"x","SenderFault":true}]}'
    yield b'\4{"Messages":null}'
    yield b'\4{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":"\\ud800"}]}'
    yield b"\0HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    yield b"\0HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    yield b"\0HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def check(data: bytes) -> None:
    """Ask by both clients, and compare."""
    if not data:
        return
    name, request = _CALLS[data[0] & 1]
    answer = _answer(data)
    clients, server = _both()
    server.answer = answer
    ours = _outcome(clients.lean, name, request)
    theirs = _outcome(clients.boto3, name, request)
    if ours != theirs:
        DISAGREEMENTS[_reason(ours, theirs, data)] += 1


def _answer(data: bytes) -> bytes:
    """Make an answer: the bytes themselves, or a body in a framing that the first byte chooses."""
    choice, body = data[0] >> 1, data[1:]
    if choice == 0:
        return body
    head = _HEADS[choice >> 2 & 3]
    match choice & 3:
        case 0:
            chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunk + b"0\r\n\r\n"
        case 1:
            return head + b"Connection: close\r\n\r\n" + body
        case _:
            return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


Outcome = tuple[str, object]


def _outcome(client: Any, name: str, request: Mapping[str, Any]) -> Outcome:
    try:
        answer = getattr(client, name)(**request)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")  # boto3 may have found none
        return "refused", (code, error.response["ResponseMetadata"]["HTTPStatusCode"])
    except DamagedAnswer:
        return "damaged", None
    except BotoCoreError:
        return "broken", None
    except Exception as error:  # noqa: BLE001 of boto3: any may come
        return "raised", type(error).__name__
    if name == "receive_message":
        return "messages", [_message(message) for message in intact_messages(answer, URL)]
    done = [entry.get("Id") for entry in answer.get("Successful") or ()]
    failed = [(entry.get("Id"), entry.get("Code")) for entry in answer.get("Failed") or ()]
    return "entries", (done, failed)


def _message(message: Mapping[str, Any]) -> tuple[object, ...]:
    named = message.get("MessageAttributes") or {}
    return (
        message["MessageId"], message["ReceiptHandle"], message["Body"],
        message.get("Attributes") or {},
        {key: (value.get("StringValue"), value.get("BinaryValue")) for key, value in named.items()},
    )  # fmt: skip


def _reason(ours: Outcome, theirs: Outcome, data: bytes) -> str:
    """Return why they differ; raise if nothing explains it."""
    (kind, found), (their_kind, taken) = ours, theirs
    if kind in {"damaged", "broken"}:
        if their_kind in {"damaged", "broken", "raised"}:
            return "both refuse it, by different errors"
        if their_kind == "refused":
            return "ours refuses a malformed answer, boto3 reads a status out of it"
        return "ours refuses a malformed answer, boto3 takes it"
    if kind == "refused" and their_kind == "refused":
        assert isinstance(found, tuple)
        assert isinstance(taken, tuple)
        if found[1] == taken[1]:
            return "another code of the same status, out of a malformed refusal"
    if kind == "refused" and their_kind in {"broken", "raised"}:
        return "ours reports the status of a refusal at which boto3 breaks"
    if their_kind == "raised" and taken == "UnicodeDecodeError":
        return "ours reads an answer with broken UTF-8 beside what it needs, boto3 raises"
    if kind == "messages" and their_kind in {"raised", "broken"}:
        return "ours leaves out a malformed message, boto3 loses all"
    if kind == "entries" and their_kind in {"raised", "broken"} and found == ([], []):
        return "ours takes no entry out of an answer at which boto3 breaks"
    if kind == "messages" and their_kind == "messages":
        assert isinstance(found, list)
        assert isinstance(taken, list)
        if len(found) < len(taken) and all(each in taken for each in found):
            return "ours leaves out a malformed message, boto3 takes it"
        if not taken and not _is_json(data[1:]):
            return "ours reads messages of loose JSON, boto3 takes the answer to be empty"
    shown = text_of(_answer(data))[:2_000]
    raise AssertionError(f"ours: {ours!r}\nboto3: {theirs!r}\nanswer: {shown!r}")


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


class _Server:
    """Answers each request on its own connection with the same bytes, then closes it."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(5)
                _read_request(connection)
                connection.sendall(self.answer)


def _read_request(connection: socket.socket) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += (piece := connection.recv(65_536))
        if not piece:
            return
    head, _, body = received.partition(b"\r\n\r\n")
    lines = (line.partition(b":") for line in head.lower().split(b"\r\n"))
    length = next((int(value) for name, _, value in lines if name == b"content-length"), 0)
    while len(body) < length:
        body += (piece := connection.recv(65_536))
        if not piece:
            return


@cache
def _both() -> tuple[Clients, _Server]:
    server = _Server()
    before = dict(os.environ)
    for name in before:
        if name.startswith("AWS_") or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_SQS": server.endpoint,
    }  # fmt: skip
    try:
        clients = connect(
            URL, "eu-west-1", lean=True, wait_seconds=0, connections=1, clock_skew=ClockSkew(),
            replacement=Replacement("feedback"), byte_budget=ByteBudget(),
        )  # fmt: skip
    finally:
        os.environ.clear()
        os.environ.update(before)
    assert clients.lean is not None, clients.why_not
    return clients, server
