"""The messages of the demo, in four chapters.

First a few whose notices are posted separately; then a month of mail; then more about users that
are on record already; then duplicates, by redelivery and by SES's other publishing route.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import attrgetter

from msgspec import Struct

from demo import script
from demo.mail import ACCOUNT, Report, Shape, write_other, write_report
from worker.core.decode import TOPIC_VALIDATED
from worker.core.model import Outcome, Reason

OTHER_TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:other"
TOKEN = "5d6b0f" * 20
"""Confirms a subscription: a secret, which must not appear in the log or in a table."""


class Message(Struct, frozen=True, kw_only=True):
    """A message, and its expected outcome."""

    kind: str
    shape: Shape
    text: str
    outcome: Outcome
    at: datetime
    report: Report | None = None
    reason: Reason | None = None
    """Why it is dead-lettered."""
    by_sns: bool = True
    """Published to the topic; False: put on the queue without an envelope."""


class Chapter(Struct, frozen=True):
    """Messages that are processed before the next ones are published."""

    title: str
    messages: list[Message]


_REPORTS = script.A_MONTH + script.MORE_ABOUT_THEM + script.SEPARATE


def chapters(now: datetime) -> list[Chapter]:
    """Return the whole story, with times that end at `now`."""
    numbers = {report: number for number, report in enumerate(_REPORTS)}

    def reported(report: Report, shape: Shape | None = None, *, again: bool = False) -> Message:
        return Message(
            kind=report.kind,
            shape=shape or report.shape,
            text=write_report(report, numbers[report], now, shape),
            outcome=Outcome.DUPLICATE if again else Outcome.APPLIED,
            at=report.at(now),
            report=report,
        )

    month = [*map(reported, script.A_MONTH), *_others(now), *_malformed(now)]
    again = [reported(report, shape, again=True) for report, shape in script.AGAIN]
    return [
        Chapter("a few of today", [*map(reported, script.SEPARATE)]),
        Chapter("a month of mail", sorted(month, key=attrgetter("at"))),
        Chapter("more about some of them", [*map(reported, script.MORE_ABOUT_THEM)]),
        Chapter("the same again", again),
    ]


def _others(now: datetime) -> Iterator[Message]:
    """SES's messages other than bounces and complaints: all are ignored."""
    for hours, shape, kind, recipient, part in script.OTHERS:
        at = now - timedelta(hours=hours)
        text = write_other(shape, kind, part, recipient, at)
        yield Message(kind=kind, shape=shape, text=text, outcome=Outcome.IGNORED, at=at)
    yield Message(
        kind="control text",
        shape=Shape.OTHER,
        text=TOPIC_VALIDATED,
        outcome=Outcome.IGNORED,
        at=now - timedelta(days=40),
    )


def _malformed(now: datetime) -> Iterator[Message]:
    """Messages that cannot be understood, or must not be acted upon: all are dead-lettered."""
    whole = write_report(script.BY_EVENT, 900, now)
    without_bounce = {"notificationType": "Bounce", "mail": {"destination": []}}
    wrapped = {"source": "aws.ec2", "detail-type": "EC2 Instance State-change", "detail": {}}
    confirmation = {
        "Type": "SubscriptionConfirmation",
        "MessageId": "2d4e1a0b-7c11-4b1e-9a58-0c6a9be9d101",
        "TopicArn": OTHER_TOPIC,
        "Token": TOKEN,
        "Message": "You have chosen to subscribe to the topic.",
        "SubscribeURL": f"https://sns.eu-west-1.amazonaws.com/?Action=Confirm&Token={TOKEN}",
    }
    for hours, kind, text, reason in (
        (23.0, "truncated JSON", whole[: len(whole) // 2], Reason.NOT_JSON),
        (29.0, "Bounce without a bounce", json.dumps(without_bounce), Reason.NO_OBJECT),
        (32.0, "an event of EC2", json.dumps(wrapped), Reason.FOREIGN_EVENT),
        (
            39 * 24.0, "SubscriptionConfirmation", json.dumps(confirmation),
            Reason.SUBSCRIPTION_CONFIRMATION,
        ),
    ):  # fmt: skip
        yield Message(
            kind=kind,
            shape=Shape.OTHER,
            text=text,
            outcome=Outcome.DEAD_LETTERED,
            at=now - timedelta(hours=hours),
            reason=reason,
            by_sns=reason is not Reason.SUBSCRIPTION_CONFIRMATION,
        )
