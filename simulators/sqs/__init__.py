"""The SQS simulator: a strict, fast, in-memory Amazon SQS over real HTTP.

    with SqsSimulator() as sqs:
        url = sqs.create_queue("feedback", dead_letter="feedback-dlq", max_receive_count=5)
        sqs.faults.add(FailEntries({"0"}), on=DELETE, times=1)
        sqs.on_delete(lambda deletion: assert_committed(deletion.body))
        sqs.send(url, body)
        ...  # boto3 with endpoint_url=sqs.endpoint, or a process with sqs.environment
        assert sqs.journal.fate(message_id).deleted

Where AWS's documentation leaves SQS two ways, the simulator takes the way that is harder on a
consumer. Standard queues only; no FIFO queues, tags, permissions or encryption: a request for
such a feature is refused, never ignored.
"""

from simulators.sqs.calls import Call
from simulators.sqs.clock import Clock
from simulators.sqs.errors import SqsError
from simulators.sqs.faults import (
    ACCESS_DENIED,
    CHANGE_VISIBILITY,
    DELETE,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    INVALID_CLIENT_TOKEN_ID,
    RECEIVE,
    REQUEST_THROTTLED,
    SEND,
    SERVICE_UNAVAILABLE,
    THROTTLING,
    Cut,
    Delay,
    EmptyBody,
    FailEntries,
    Fault,
    Few,
    ForgetDelete,
    HandOutTwice,
    Hang,
    OmitEntries,
    Refuse,
    Rewrite,
    StayVisible,
)
from simulators.sqs.hooks import Deletion, Sending
from simulators.sqs.journal import Event, Fate, Journal, Request, What
from simulators.sqs.script import Faults, Rule
from simulators.sqs.simulator import SqsSimulator
from simulators.sqs.states import Counts, MessageState, State

__all__ = [
    "ACCESS_DENIED",
    "CHANGE_VISIBILITY",
    "DELETE",
    "EXPIRED_TOKEN",
    "INTERNAL_ERROR",
    "INVALID_CLIENT_TOKEN_ID",
    "RECEIVE",
    "REQUEST_THROTTLED",
    "SEND",
    "SERVICE_UNAVAILABLE",
    "THROTTLING",
    "Call",
    "Clock",
    "Counts",
    "Cut",
    "Delay",
    "Deletion",
    "EmptyBody",
    "Event",
    "FailEntries",
    "Fate",
    "Fault",
    "Faults",
    "Few",
    "ForgetDelete",
    "HandOutTwice",
    "Hang",
    "Journal",
    "MessageState",
    "OmitEntries",
    "Refuse",
    "Request",
    "Rewrite",
    "Rule",
    "Sending",
    "SqsError",
    "SqsSimulator",
    "State",
    "StayVisible",
    "What",
]
