"""SQS, SES and Slack, simulated on free loopback ports, and the worker's environment for them."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from msgspec import Struct

from demo import script
from demo.messages import Message
from simulators import sns
from simulators.ses import SesSimulator
from simulators.slack import SlackSimulator
from simulators.sqs import MessageState, SqsSimulator

QUEUE, DEAD_LETTER_QUEUE = "ses-feedback", "ses-feedback-dlq"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:ses-feedback"
_COMPLAINED_BEFORE = timedelta(days=90)
_RETENTION_SECONDS = 14 * 24 * 3_600
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE")
"""The worker gets these environment variables of the caller's, and no others."""


class Services(Struct, frozen=True):
    """All three."""

    sqs: SqsSimulator
    ses: SesSimulator
    slack: SlackSimulator

    @property
    def queue_url(self) -> str:
        """The URL of the worker's queue."""
        return self.sqs.url(QUEUE)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a worker that calls the simulators in place of AWS."""
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return inherited | {
            **self.sqs.environment,
            **self.ses.environment,
            "AWS_ENDPOINT_URL": self.sqs.endpoint,  # SNS, which is not here, is not called in AWS
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONUTF8": "1",
        }

    def publish(self, message: Message) -> None:
        """Put a message on the queue, by way of SNS if SES publishes it."""
        text = message.text
        self.sqs.send(QUEUE, sns.envelope(text, TOPIC) if message.by_sns else text)

    def remaining(self) -> int:
        """Count the messages on the queue: visible, in flight and delayed."""
        return sum(self.sqs.counts(QUEUE))

    def dead_letters(self) -> list[MessageState]:
        """Return the messages in the dead-letter queue."""
        return self.sqs.messages(DEAD_LETTER_QUEUE)

    def fill_suppression_list(self, messages: list[Message]) -> None:
        """List the addresses of the script, with the dates and ids that SES would keep."""
        for address, reason in script.LISTED.items():
            self._list(address, reason, _about(address, messages))

    def _list(self, address: str, reason: str, message: Message) -> None:
        since, ids = message.at - _COMPLAINED_BEFORE, {}
        if reason == "BOUNCE":  # listed for the bounce that the worker is about to receive
            body, since = json.loads(message.text), message.at
            ids = {
                "message_id": body["mail"]["messageId"],
                "feedback_id": body["bounce"]["feedbackId"],
            }
        self.ses.list_address(address, reason, updated_at=since.timestamp(), **ids)


@contextmanager
def simulated_services() -> Iterator[Services]:
    """Start all three, with the queue and its dead-letter queue; stop them after the block."""
    with SqsSimulator() as sqs, SesSimulator() as ses, SlackSimulator() as slack:
        sqs.create_queue(DEAD_LETTER_QUEUE, MessageRetentionPeriod=_RETENTION_SECONDS)
        sqs.create_queue(QUEUE, dead_letter=DEAD_LETTER_QUEUE)
        yield Services(sqs, ses, slack)


def _about(address: str, messages: list[Message]) -> Message:
    return next(
        message
        for message in messages
        if message.report and any(entry.key == address for entry in message.report.entries)
    )
