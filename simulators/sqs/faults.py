"""Scripted faults: what goes wrong between a client and SQS, on which call and how often.

    sqs.faults.add(SERVICE_UNAVAILABLE, on=RECEIVE, times=3)
    sqs.faults.add(Cut(done=True), on=DELETE, first=2, times=1)
    sqs.faults.add(FailEntries({"0", "3"}, sender_fault=False), on=DELETE, queue="feedback")

All rules that fit a call apply to it, the rule added first outermost. "Done" means that SQS has
performed the operation, whatever the client gets as an answer.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from simulators.sqs.calls import Call
from simulators.sqs.errors import SqsError
from simulators.sqs.messaging import failed
from simulators.sqs.parameters import Answer, Arguments, NoBody

Perform = Callable[[Call], Answer]
Which = Collection[str] | Callable[[Arguments], bool] | None
"""Entries of a batch: by their Ids, by a predicate, or all (None)."""

RECEIVE = frozenset({"ReceiveMessage"})
SEND = frozenset({"SendMessage", "SendMessageBatch"})
DELETE = frozenset({"DeleteMessage", "DeleteMessageBatch"})
CHANGE_VISIBILITY = frozenset({"ChangeMessageVisibility", "ChangeMessageVisibilityBatch"})


class ConnectionCut(Exception):
    """The connection is reset in place of an answer, or in the middle of it."""

    def __init__(self, answer: Answer | None, part: float = 0) -> None:
        super().__init__()
        self.answer = answer
        self.part = part
        """The fraction of the answer's body that is sent, from 0 (not even its head) to 1."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The base of all faults; changes nothing."""

    def around(self, call: Call, perform: Perform) -> Answer:
        """Perform the call."""
        return perform(call)


@dataclass(frozen=True, slots=True)
class Refuse(Fault):
    """SQS, or a proxy before it, refuses the call: it is not performed."""

    code: str
    status: int
    text: str = "A scripted fault."

    def around(self, call: Call, perform: Perform) -> Answer:
        """Raise the error."""
        raise SqsError(self.code, self.text, status=self.status)


INTERNAL_ERROR = Refuse("InternalFailure", 500)
SERVICE_UNAVAILABLE = Refuse("ServiceUnavailable", 503)
REQUEST_THROTTLED = Refuse("RequestThrottled", 400)
"""It has been observed with 403, too: `replace(REQUEST_THROTTLED, status=403)`."""
THROTTLING = Refuse("ThrottlingException", 400, "Rate exceeded")
ACCESS_DENIED = Refuse("AccessDenied", 403)
EXPIRED_TOKEN = Refuse("ExpiredToken", 403, "The security token in the request is expired")
INVALID_CLIENT_TOKEN_ID = Refuse("InvalidClientTokenId", 403, "The security token is invalid")


@dataclass(frozen=True, slots=True)
class Delay(Fault):
    """The answer takes so many real seconds longer. Done."""

    seconds: float

    def around(self, call: Call, perform: Perform) -> Answer:
        """Wait, then perform."""
        call.closing.wait(self.seconds)
        return perform(call)


@dataclass(frozen=True, slots=True)
class Cut(Fault):
    """The connection is reset. `Cut()`: before SQS has read the request; a client cannot know.

    `Cut(done=True)`: before the answer, a ghost receive or a lost delete. `Cut(part=0.5)`: in the
    middle of the answer, so done in any case.
    """

    done: bool = False
    part: float = 0

    def around(self, call: Call, perform: Perform) -> Answer:
        """Perform the call if done, then reset."""
        raise ConnectionCut(perform(call) if self.done or self.part else None, self.part)


@dataclass(frozen=True, slots=True)
class Hang(Fault):
    """No answer for so many real seconds, then a reset. Done only if `done`."""

    seconds: float
    done: bool = False

    def around(self, call: Call, perform: Perform) -> Answer:
        """Perform the call if done, wait, then reset."""
        answer = perform(call) if self.done else None
        call.closing.wait(self.seconds)
        raise ConnectionCut(answer)


@dataclass(frozen=True, slots=True)
class FailEntries(Fault):
    """A 200 in which some entries of the batch are Failed. Those are not done, the rest is."""

    which: Which = None
    sender_fault: bool = False
    code: str = "InternalError"

    def around(self, call: Call, perform: Perform) -> Answer:
        """Perform without those entries, and answer that they failed."""
        struck, rest = _split(call, self.which)
        answer = perform(call.with_arguments(Entries=rest)) if rest else {}
        error = SqsError(self.code, "A scripted fault.", status=400 if self.sender_fault else 500)
        failures = [*answer.get("Failed", ()), *(failed(entry["Id"], error) for entry in struck)]
        return answer | ({"Failed": failures} if failures else {})


@dataclass(frozen=True, slots=True)
class OmitEntries(Fault):
    """A 200 that mentions some entries of the batch in neither list. Done only if `done`."""

    which: Which = None
    done: bool = False

    def around(self, call: Call, perform: Perform) -> Answer:
        """Perform, and leave those entries out of the answer."""
        struck, rest = _split(call, self.which)
        silent = {entry["Id"] for entry in struck}
        requested = call if self.done else call.with_arguments(Entries=rest)
        answer = perform(requested) if requested.arguments["Entries"] else {}
        body = {
            name: [entry for entry in entries if entry["Id"] not in silent]
            for name, entries in answer.items()
        }
        return {name: entries for name, entries in body.items() if entries}


@dataclass(frozen=True, slots=True)
class EmptyBody(Fault):
    """A 200 without a body, as npm's local-aws-sqs sends it for an answer without content. Done.

    `EmptyBody(whatever=True)`: also in place of an answer that has content.
    """

    whatever: bool = False

    def around(self, call: Call, perform: Perform) -> Answer:
        """Perform, and send no body."""
        answer = perform(call)
        return answer if answer and not self.whatever else NoBody()


@dataclass(frozen=True, slots=True)
class StayVisible(Fault):
    """Received messages stay visible, so the next receive returns them again."""

    def around(self, call: Call, perform: Perform) -> Answer:
        """Perform with a visibility timeout of 0."""
        return perform(call.with_arguments(VisibilityTimeout=0))


@dataclass(frozen=True, slots=True)
class Few(Fault):
    """A receive returns at most so many messages, however many there are. Done."""

    most: int

    def around(self, call: Call, perform: Perform) -> Answer:
        """Ask for fewer."""
        most = min(self.most, call.arguments.get("MaxNumberOfMessages", 1))
        return perform(call.with_arguments(MaxNumberOfMessages=most))


@dataclass(frozen=True, slots=True)
class HandOutTwice(Fault):
    """An answer holds each message twice, with two receipt handles; the later handle counts."""

    def around(self, call: Call, perform: Perform) -> Answer:
        """Perform twice, for half the messages each time."""
        most = max(call.arguments.get("MaxNumberOfMessages", 1) // 2, 1)
        first = perform(call.with_arguments(VisibilityTimeout=0, MaxNumberOfMessages=most))
        if not (messages := first.get("Messages", [])):
            return first
        again = call.with_arguments(WaitTimeSeconds=0, MaxNumberOfMessages=len(messages))
        return {"Messages": messages + perform(again).get("Messages", [])}


@dataclass(frozen=True, slots=True)
class Rewrite(Fault):
    """SQS answers in a way that it does not document. Done."""

    change: Callable[[Answer], Answer]

    def around(self, call: Call, perform: Perform) -> Answer:
        """Perform, and change the answer."""
        return self.change(perform(call))


@dataclass(frozen=True, slots=True)
class ForgetDelete(Fault):
    """A delete is acknowledged and the message is received again: a replica was unavailable.

    It does so at the end of its visibility timeout or, with `after_seconds`, that much later.
    """

    after_seconds: int | None = None

    def around(self, call: Call, perform: Perform) -> Answer:
        """Acknowledge without deleting."""
        answer = perform(replace(call, pretend=True))
        if self.after_seconds is not None:
            self._bring_back(call, perform, self.after_seconds)
        return answer

    def _bring_back(self, call: Call, perform: Perform, seconds: int) -> None:
        arguments = call.arguments
        for entry in arguments.get("Entries", [arguments]):
            again: dict[str, Any] = {
                "QueueUrl": arguments["QueueUrl"],
                "ReceiptHandle": entry["ReceiptHandle"],
                "VisibilityTimeout": seconds,
            }
            perform(replace(call, operation="ChangeMessageVisibility", arguments=again))


def _split(call: Call, which: Which) -> tuple[list[Arguments], list[Arguments]]:
    """Split the entries of a batch into those that fail and the rest."""
    struck: list[Arguments] = []
    rest: list[Arguments] = []
    for entry in call.arguments.get("Entries", ()):
        hit = which(entry) if callable(which) else which is None or entry["Id"] in which
        (struck if hit else rest).append(entry)
    return struck, rest
