"""The messages of the demo, in four chapters.

First a few that are posted one by one; a month of mail; then more about people of whom something is
known; then what was there already, by redelivery and by the other route.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from msgspec import Struct

from demo import script
from demo.mail import ACCOUNT, Report, Shape, write_news, write_report
from worker.core.decode import TOPIC_VALIDATED
from worker.core.model import Outcome, Reason

TOPIC = f"arn:aws:sns:eu-west-1:{ACCOUNT}:other"
TOKEN = "5d6b0f" * 20
"""What confirms a subscription; nobody who reads the log shall see it."""


class Message(Struct, frozen=True, kw_only=True):
    """One message that is published, and what must become of it."""

    kind: str
    shape: Shape
    text: str
    outcome: Outcome
    at: datetime
    report: Report | None = None
    reason: Reason | None = None
    """Why it is dead-lettered."""
    straight: bool = False
    """Put on the queue as it is, without SNS."""


_REPORTS = script.A_MONTH + script.MORE_ABOUT_THEM + script.SEPARATE


class Chapter(Struct, frozen=True):
    """Messages that are worked on before the next ones come."""

    title: str
    messages: list[Message]


def chapters(now: datetime) -> list[Chapter]:
    """Return the whole story, with times that end at `now`."""
    reports = {report: n for n, report in enumerate(_REPORTS)}

    def reported(report: Report, shape: Shape | None = None, *, again: bool = False) -> Message:
        return Message(
            kind=report.kind,
            shape=shape or report.shape,
            text=write_report(report, reports[report], now, shape),
            outcome=Outcome.DUPLICATE if again else Outcome.APPLIED,
            at=report.at(now),
            report=report,
        )

    month = [*map(reported, script.A_MONTH), *_news(now), *_broken(now)]
    return [
        Chapter("a few of today", [*map(reported, script.SEPARATE)]),
        Chapter("a month of mail", _in_order(month)),
        Chapter("more about some of them", [*map(reported, script.MORE_ABOUT_THEM)]),
        Chapter(
            "what was there already",
            [
                reported(script.MAILBOX_GONE, again=True),
                reported(script.MAILBOX_GONE, Shape.EVENT, again=True),
                reported(script.BY_EVENT, Shape.NOTIFICATION, again=True),
                reported(script.TWO_RECIPIENTS, again=True),
                reported(script.FIRST_ABUSE, again=True),
            ],
        ),
    ]


def _in_order(messages: Iterable[Message]) -> list[Message]:
    return sorted(messages, key=attrgetter("at"))


_NEWS: tuple[tuple[float, Shape, str, str, dict[str, Any]], ...] = (
    (21, Shape.NOTIFICATION, "Delivery", "vik.olsen@example.net", {
        "delivery": {"recipients": ["vik.olsen@example.net"], "smtpResponse": "250 accepted"}}),
    (2.1, Shape.EVENT, "Delivery", "lena.voss@example.org", {
        "delivery": {"recipients": ["lena.voss@example.org"], "smtpResponse": "250 accepted"}}),
    (21.2, Shape.EVENT, "Send", "vik.olsen@example.net", {"send": {}}),
    (19, Shape.EVENT, "Open", "wen.li@example.net", {
        "open": {"ipAddress": "192.0.2.10", "userAgent": "ExampleMail/7.1"}}),
    (18.5, Shape.EVENT, "Click", "wen.li@example.net", {
        "click": {"link": "https://www.example.com/welcome", "linkTags": None}}),
    (27, Shape.EVENT, "Reject", "bo.lindqvist@example.org", {"reject": {"reason": "Bad content"}}),
    (10, Shape.EVENT, "Rendering Failure", "una.byrne@example.com", {
        "failure": {"templateName": "welcome", "errorMessage": "Attribute 'name' is missing"}}),
    # The word spam outside of a bounce must block nobody.
    (13, Shape.EVENT, "DeliveryDelay", "ivo.petrov@example.net", {
        "deliveryDelay": {"delayType": "SpamDetected", "delayedRecipients": [
            {"emailAddress": "ivo.petrov@example.net", "status": "4.7.1"}]}}),
    (4, Shape.EVENT, "Subscription", "quinn.ross@example.org", {
        "subscription": {"contactList": "Newsletter", "source": "UnsubscribeHeader"}}),
    (6, Shape.EVENT, "Archived", "jo.keller@example.net", {"archived": {}}),
)  # fmt: skip
"""Hours ago, shape, kind, whose mail, and SES's words; the last kind does not exist (yet)."""


def _news(now: datetime) -> Iterator[Message]:
    """SES's messages beside bounces and complaints."""
    for hours, shape, kind, recipient, part in _NEWS:
        at = now - timedelta(hours=hours)
        text = write_news(shape, kind, part, recipient, at)
        yield Message(kind=kind, shape=shape, text=text, outcome=Outcome.IGNORED, at=at)
    yield Message(
        kind="control text",
        shape=Shape.OTHER,
        text=TOPIC_VALIDATED,
        outcome=Outcome.IGNORED,
        at=now - timedelta(days=40),
    )


def _broken(now: datetime) -> Iterator[Message]:
    """What nobody can understand, or must not act upon."""
    whole = write_report(script.BY_EVENT, 900, now)
    bounce_without_bounce = json.dumps({"notificationType": "Bounce", "mail": {"destination": []}})
    wrapped = json.dumps({"source": "aws.ses", "detail-type": "Email Bounced", "detail": {}})
    confirmation = json.dumps(
        {
            "Type": "SubscriptionConfirmation",
            "MessageId": "2d4e1a0b-7c11-4b1e-9a58-0c6a9be9d101",
            "TopicArn": TOPIC,
            "Token": TOKEN,
            "Message": "You have chosen to subscribe to the topic.",
            "SubscribeURL": f"https://sns.eu-west-1.amazonaws.com/?Action=Confirm&Token={TOKEN}",
        }
    )
    for hours, kind, text, reason in (
        (23.0, "truncated JSON", whole[: len(whole) // 2], Reason.NOT_JSON),
        (29.0, "Bounce without a bounce", bounce_without_bounce, Reason.NO_OBJECT),
        (32.0, "EventBridge's wrapper", wrapped, Reason.EVENTBRIDGE_WRAPPER),
        (39 * 24.0, "SubscriptionConfirmation", confirmation, Reason.SUBSCRIPTION_CONFIRMATION),
    ):
        yield Message(
            kind=kind,
            shape=Shape.OTHER,
            text=text,
            outcome=Outcome.DEAD_LETTERED,
            at=now - timedelta(hours=hours),
            reason=reason,
            straight=reason is Reason.SUBSCRIPTION_CONFIRMATION,
        )
