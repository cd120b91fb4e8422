"""The demo's Slack and SES, on free loopback ports."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from msgspec import Struct

from demo import script
from demo.chapters import Message
from simulators.ses import SesStandIn
from simulators.slack import StandinSlack

_COMPLAINED_BEFORE = timedelta(days=90)


class FarSides(Struct, frozen=True):
    """Both of them."""

    slack: StandinSlack
    ses: SesStandIn


@contextmanager
def far_sides() -> Iterator[FarSides]:
    """Start both; stop them at the end of the block."""
    with StandinSlack() as slack, SesStandIn() as ses:
        yield FarSides(slack, ses)


def fill_suppression_list(ses: SesStandIn, messages: Sequence[Message]) -> None:
    """List the people of the story as SES would have."""
    for address, reason in script.LISTED.items():
        _list(ses, address, reason, _about(address, messages))


def _list(ses: SesStandIn, address: str, reason: str, message: Message) -> None:
    if reason == "BOUNCE":  # the very one that the worker is about to hear of
        body, since = json.loads(message.text), message.at
        names = {
            "message_id": body["mail"]["messageId"],
            "feedback_id": body["bounce"]["feedbackId"],
        }
    else:
        since, names = message.at - _COMPLAINED_BEFORE, {}
    ses.list_address(address, reason, updated_at=since.timestamp(), **names)


def _about(address: str, messages: Sequence[Message]) -> Message:
    return next(
        message
        for message in messages
        if message.report and any(entry.key == address for entry in message.report.entries)
    )
