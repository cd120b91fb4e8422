"""The SQS twin: a strict, fast, in-memory Amazon SQS over real HTTP, for the tests.

    with Twin() as twin:
        url = twin.create_queue("feedback", dead_letter="feedback-dlq", max_receive_count=5)
        twin.faults.add(FailEntries({"0"}), on=DELETE, times=1)
        twin.on_delete(lambda deletion: assert_committed(deletion.body))
        twin.send(url, body)
        ...  # boto3 with endpoint_url=twin.endpoint, or a process with twin.environment
        assert twin.journal.fate(message_id).deleted

Where AWS's documentation leaves SQS two ways, the twin takes the one that is harder on a
consumer. Standard queues only; no FIFO queues, tags, permissions or encryption: a request for
what the twin does not have is refused, never ignored.
"""

from twin.calls import Call
from twin.clock import Clock
from twin.errors import SqsError
from twin.faults import (
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
    FailEntries,
    Fault,
    Few,
    ForgetDelete,
    HandOutTwice,
    Hang,
    OmitEntries,
    Refuse,
    StayVisible,
)
from twin.hooks import Deletion, Sending
from twin.journal import Event, Fate, Journal, Request, What
from twin.script import Faults, Rule
from twin.sqs import Twin
from twin.standing import Counts, Standing, State

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
    "OmitEntries",
    "Refuse",
    "Request",
    "Rule",
    "Sending",
    "SqsError",
    "Standing",
    "State",
    "StayVisible",
    "Twin",
    "What",
]
