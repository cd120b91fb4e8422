"""The state of a queue, as a test sees it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Counts(NamedTuple):
    """How many messages there are; SQS's own are approximate, these are exact."""

    visible: int
    in_flight: int
    delayed: int


class State(StrEnum):
    """The state of a message."""

    VISIBLE = "visible"
    IN_FLIGHT = "in flight"
    DELAYED = "delayed"


class MessageState(NamedTuple):
    """A message in a queue, at the time of the call."""

    message_id: str
    body: str
    attributes: Mapping[str, Mapping[str, Any]]
    state: State
    sent_at: float
    visible_at: float
    receive_count: int
    source_arn: str | None
    """The queue it was dead-lettered from."""
