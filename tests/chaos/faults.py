"""What goes wrong with SQS and Slack in a schedule, by name."""

from collections.abc import Callable
from dataclasses import replace

from simulators.slack import SlackSimulator
from simulators.slack.faults import broken, rate_limited, reset
from simulators.sqs import (
    ACCESS_DENIED,
    CHANGE_VISIBILITY,
    DELETE,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    RECEIVE,
    REQUEST_THROTTLED,
    SEND,
    SERVICE_UNAVAILABLE,
    Cut,
    Delay,
    FailEntries,
    Fault,
    ForgetDelete,
    HandOutTwice,
    OmitEntries,
    Rule,
    SqsSimulator,
    StayVisible,
)

_THROTTLED = replace(REQUEST_THROTTLED, status=403)
_SEND_BACK = frozenset({"SendMessageBatch"})
_EVEN = {"0", "2", "4", "6", "8"}

SQS: dict[str, tuple[Fault, frozenset[str]]] = {
    "receive: 500": (INTERNAL_ERROR, RECEIVE),
    "receive: throttled": (REQUEST_THROTTLED, RECEIVE),
    "receive: reset": (Cut(), RECEIVE),
    "receive: answer lost": (Cut(done=True), RECEIVE),
    "receive: half an answer": (Cut(part=0.5), RECEIVE),
    "receive: slow": (Delay(0.3), RECEIVE),
    "receive: handed out twice": (HandOutTwice(), RECEIVE),
    "receive: stays visible": (StayVisible(), RECEIVE),
    "receive: expired token": (EXPIRED_TOKEN, RECEIVE),
    "delete: 503": (SERVICE_UNAVAILABLE, DELETE),
    "delete: throttled": (_THROTTLED, DELETE),
    "delete: reset": (Cut(), DELETE),
    "delete: answer lost": (Cut(done=True), DELETE),
    "delete: slow": (Delay(0.3), DELETE),
    "delete: all failed": (FailEntries(), DELETE),
    "delete: some failed": (FailEntries(_EVEN), DELETE),
    "delete: some failed, our fault": (FailEntries(_EVEN, sender_fault=True), DELETE),
    "delete: some not mentioned": (OmitEntries(_EVEN), DELETE),
    "delete: forgotten": (ForgetDelete(after_seconds=0), DELETE),
    "dead letter: 500": (INTERNAL_ERROR, SEND),
    "dead letter: throttled": (REQUEST_THROTTLED, SEND),
    "dead letter: answer lost": (Cut(done=True), SEND),
    "dead letter: refused": (ACCESS_DENIED, SEND),
    "release: 500": (INTERNAL_ERROR, CHANGE_VISIBILITY),
}  # fmt: skip
REPLAYS: dict[str, tuple[Fault, frozenset[str]]] = {
    "send back: some failed": (FailEntries(_EVEN), _SEND_BACK),
    "send back: some failed, our fault": (FailEntries(_EVEN, sender_fault=True), _SEND_BACK),
}
"""What only a replay meets."""
PROBLEMS: dict[str, tuple[Fault, frozenset[str]]] = {
    "receives fail": (INTERNAL_ERROR, RECEIVE),
    "receives are denied": (ACCESS_DENIED, RECEIVE),
    "everything is reset": (Cut(), frozenset()),
}
"""Faults that last for some seconds, during which I8 checks each call."""
SLACK: dict[str, Callable[[SlackSimulator], None]] = {
    "slack: 500": lambda slack: slack.fail(broken()),
    "slack: 429": lambda slack: slack.fail(rate_limited("1")),
    "slack: reset": lambda slack: slack.fail(reset()),
    "slack: answer lost": lambda slack: slack.fail(reset(accepts=True)),
}


def strike(emulator: SqsSimulator, name: str, times: int) -> Rule:
    """Let a fault of `SQS` or `REPLAYS` come so many times."""
    fault, operations = (SQS | REPLAYS)[name]
    return emulator.faults.add(fault, on=operations, times=times)
