"""SQS's calls: three of them by a small client of our own, the rest by boto3.

ReceiveMessage, DeleteMessageBatch and ChangeMessageVisibilityBatch are what a message's way
costs. Whatever boto3 would do otherwise than ours leaves these to boto3, too.
"""

from collections.abc import Mapping
from typing import Any

import botocore.session
from msgspec import Struct

from worker.aws import make_client, translated, watch_dates
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.client.client import LeanClient
from worker.sqs.client.request_probe import Unfit, probe_request
from worker.sqs.client.skew import ClockSkew

_OURS = frozenset({"receive_message", "delete_message_batch", "change_message_visibility_batch"})


class Clients(Struct, frozen=True):
    """Who makes which call. Thread-safe."""

    boto3: Any
    lean: LeanClient | None
    why_not: str = ""
    """Why boto3 is used although our own client was chosen."""

    def ask(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Make a call by boto3's name of it; answers and errors are boto3's with either client."""
        client = self.lean if self.lean and operation in _OURS else self.boto3
        answer: Mapping[str, Any] = getattr(client, operation)(**request)
        return answer


def connect(
    queue_url: str,
    region: str,
    *,
    lean: bool,
    wait_seconds: int,
    connections: int,
    clock_skew: ClockSkew,
    byte_budget: ByteBudget | None = None,
) -> Clients:
    """Make the clients from fresh credentials; SQS is not called.

    `clock_skew` learns the `Date` of every answer to either client. With `byte_budget` the lean
    client reads an answer once the budget has room for it.

    Raises:
        NoIdentity, AwsRefused: as for any call: there are no credentials, or they cannot be read.

    """
    session = botocore.session.get_session()
    boto3 = make_client(
        "sqs", region, wait_seconds=wait_seconds, connections=connections, core=session
    )
    watch_dates(boto3, clock_skew.read)
    if not lean:
        return Clients(boto3, None)
    try:
        with translated():
            part = probe_request(boto3, session, queue_url)
    except Unfit as unfit:
        return Clients(boto3, None, str(unfit))
    lean_client = (
        LeanClient(part, clock_skew, byte_budget.expect)
        if byte_budget
        else LeanClient(part, clock_skew)
    )
    return Clients(boto3, lean_client)
