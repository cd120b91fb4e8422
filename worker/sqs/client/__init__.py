"""SQS's calls: five of them by a small client of our own, the rest by boto3.

ReceiveMessage, DeleteMessageBatch and ChangeMessageVisibilityBatch are the calls that each message
costs; SendMessage and SendMessageBatch are those of dead letters, of which anybody who may write to
the queue can make any number. boto3 makes these too where it would send something that our client
does not send (`request_probe`), and after several answers that our client does not understand
(`replacement`).
"""

import time
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.exceptions import ClientError
from msgspec import Struct

from worker.aws import make_client, translated, watch_dates
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.client.client import LeanClient
from worker.sqs.client.connection import DamagedAnswer
from worker.sqs.client.replacement import Replacement
from worker.sqs.client.request_probe import UseBoto3, probe_request
from worker.sqs.client.skew import ClockSkew

_OURS = frozenset({
    "receive_message", "delete_message_batch", "change_message_visibility_batch",
    "send_message", "send_message_batch",
})  # fmt: skip


class Clients(Struct, frozen=True):
    """Both clients, and which of them makes a call. Thread-safe."""

    boto3: Any
    replacement: Replacement
    lean: LeanClient | None = None
    why_not: str = ""
    """Why boto3 is used although our own client was chosen."""

    def ask(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a call by boto3's name of it; answers and errors are boto3's with either client."""
        if self.lean is None or operation not in _OURS or self.replacement.is_done:
            by_boto3: Mapping[str, Any] = getattr(self.boto3, operation)(**request)
            return by_boto3
        called_at = time.monotonic()
        try:
            answer: Mapping[str, Any] = getattr(self.lean, operation)(**request)
        except DamagedAnswer as error:
            if error.is_of_sqs:
                self.replacement.unreadable(operation, called_at, error)
            raise
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("RequestId"):  # else a proxy's
                self.replacement.readable(operation)
            raise
        self.replacement.readable(operation)
        return answer


def connect(
    queue_url: str,
    region: str,
    *,
    lean: bool,
    wait_seconds: int,
    connections: int,
    clock_skew: ClockSkew,
    replacement: Replacement,
    byte_budget: ByteBudget | None = None,
) -> Clients:
    """Make the clients from fresh credentials; SQS is not called.

    `clock_skew` learns the `Date` of every answer to either client. With `byte_budget` our client
    reads an answer once the budget has room for it.

    Raises:
        NoIdentity, AwsRefused: as for any call: there are no credentials, or they cannot be read.

    """
    session = botocore.session.get_session()
    boto3 = make_client(
        "sqs", region, wait_seconds=wait_seconds, connections=connections, core=session
    )
    watch_dates(boto3, clock_skew.read)
    if not lean or replacement.is_done:
        return Clients(boto3, replacement)
    try:
        with translated():
            part = probe_request(boto3, session, queue_url, wait_seconds=wait_seconds)
    except UseBoto3 as reason:
        return Clients(boto3, replacement, why_not=str(reason))
    lean_client = (
        LeanClient(part, clock_skew, byte_budget.expect)
        if byte_budget
        else LeanClient(part, clock_skew)
    )
    return Clients(boto3, replacement, lean_client)
