"""The calls that messages and dead letters cost, as boto3 has them, at a tenth of its cost."""

import json
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from botocore.exceptions import SSLError

from worker.aws import frozen_keys
from worker.aws.codes import SKEWED_CLOCK
from worker.sqs.byte_budget import Expect
from worker.sqs.client import answers
from worker.sqs.client.connection import Connection, Dropped, Silent, damaged
from worker.sqs.client.http import Answer
from worker.sqs.client.pool import Pool
from worker.sqs.client.request_probe import RequestParts
from worker.sqs.client.signing import timestamp
from worker.sqs.client.skew import ClockSkew, read_date
from worker.sqs.client.tls import make_context

_SKEW_SECONDS = 240
"""A clock that is off by more explains such an error; AWS allows 5 to 15 minutes."""
_encode = msgspec.json.Encoder().encode


class LeanClient:
    """Thread-safe. Arguments, answers and errors are boto3's. It repeats a call in two cases only.

    A kept connection may turn out to be closed, or silent, before a byte of the answer: then all
    idle connections are closed, since a firewall that has forgotten one of them has probably
    forgotten the others, and a call that may be performed twice is sent on a new connection. And if
    this machine's clock is wrong, SQS refuses the call and sends its time, with which the call is
    signed again.
    """

    def __init__(
        self, part: RequestParts, clock_skew: ClockSkew, expect: Expect = lambda _: None
    ) -> None:
        """`expect` is called with the length of each answer before it is read, and may block."""
        self._part = part
        self._read_date = clock_skew.read
        self._pool = Pool(partial(_connect, part, expect), part.connections)
        self._skew_seconds = 0.0
        """By how much SQS's clock is ahead of this machine's."""

    def receive_message(self, **request: Any) -> Mapping[str, Any]:
        """Long-poll; never repeated, since SQS may have hidden messages."""
        return self._call("ReceiveMessage", request, answers.messages, may_repeat=False)

    def delete_message_batch(self, **request: Any) -> Mapping[str, Any]:
        """Delete messages."""
        return self._call("DeleteMessageBatch", request, answers.batch)

    def change_message_visibility_batch(self, **request: Any) -> Mapping[str, Any]:
        """Change the visibility timeouts of messages."""
        return self._call("ChangeMessageVisibilityBatch", request, answers.batch)

    def send_message(self, **request: Any) -> Mapping[str, Any]:
        """Send a dead letter; never repeated, since it would be there twice."""
        return self._call("SendMessage", request, answers.sent, may_repeat=False)

    def send_message_batch(self, **request: Any) -> Mapping[str, Any]:
        """Send dead letters, likewise."""
        return self._call("SendMessageBatch", request, answers.sent_together, may_repeat=False)

    def _call(
        self,
        operation: str,
        request: Mapping[str, Any],
        read: Callable[[bytes | bytearray], Mapping[str, Any]],
        *,
        may_repeat: bool = True,
    ) -> Mapping[str, Any]:
        body, skew = _encoded(request), self._skew_seconds
        seconds = request.get("WaitTimeSeconds", 0) + self._part.read_seconds
        exchange = partial(self._exchange, operation, body, seconds, may_repeat=may_repeat)
        answer = exchange(skew)
        if answer.status >= 300:
            refusal = answers.refusal(answer, operation)
            learnt = _skew_in(refusal.response["Error"]["Code"], answer)
            # Compared with this call's skew: another thread may have learnt the same meanwhile.
            if learnt is None or abs(learnt - skew) <= _SKEW_SECONDS:
                raise refusal
            self._skew_seconds = learnt
            answer = exchange(learnt)
            if answer.status >= 300:
                raise answers.refusal(answer, operation)
        try:
            return read(answer.body)
        except answers.UNREADABLE as error:
            # The text has the place and the kind of the error, and quotes nothing of the answer.
            raise damaged(self._part.endpoint.url, str(error), answer.headers) from error

    def _exchange(
        self, operation: str, body: bytes, seconds: float, skew: float, *, may_repeat: bool
    ) -> Answer:
        request = self._signed(operation, body, time.time() + skew)
        if kept := self._pool.kept():
            try:
                return self._ask(kept, request, seconds)
            except (Dropped, Silent):
                self._pool.drop_idle()
                if not may_repeat:
                    raise
        return self._ask(self._pool.fresh(), request, seconds)

    def _ask(self, connection: Connection, request: bytes, seconds: float) -> Answer:
        with self._pool.lent(connection):
            answer = connection.ask(request, seconds)
        self._read_date(answer.headers.get("date"))
        return answer

    def _signed(self, operation: str, body: bytes, seconds: float) -> bytes:
        part = self._part
        keys = frozen_keys(part.credentials)
        at = timestamp(seconds)
        target = f"AmazonSQS.{operation}"
        return part.signer.head(keys, target, body, at=at, user_agent=part.user_agent) + body


def _encoded(request: Mapping[str, Any]) -> bytes:
    try:
        return _encode(request)
    except UnicodeEncodeError:  # half a pair of surrogates: SQS refuses it, in its own words
        return json.dumps(request, default=lambda value: b64encode(value).decode()).encode()


def _skew_in(code: str, answer: Answer) -> float | None:
    """Return by how much SQS's clock is ahead, if that may explain the error."""
    sqs_time = read_date(answer.headers.get("date")) if code in SKEWED_CLOCK else None
    return None if sqs_time is None else sqs_time - time.time()


def _connect(part: RequestParts, expect: Expect) -> Connection:
    try:
        context = make_context(part.bundle) if part.bundle else None
    except OSError as error:
        raise SSLError(endpoint_url=part.endpoint.url, error=error) from error
    return Connection(
        part.endpoint,
        context,
        connect_seconds=part.connect_seconds,
        expect=expect,
    )
