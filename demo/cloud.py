"""An AWS on a free loopback port: moto's server, with all that SES's feedback goes through."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from msgspec import Struct

from demo.environment import REGION
from worker.core.errors import Misconfigured

try:
    from moto.server import ThreadedMotoServer
except ImportError as missing:
    raise Misconfigured(
        "the demo needs an AWS to talk to, moto's server, which is not installed: make setup"
    ) from missing

HOST = "127.0.0.1"
RECEIVES_BEFORE_REDRIVE = 5


class DeadLetter(Struct, frozen=True, kw_only=True):
    """What lies in the dead-letter queue, with what the worker wrote on it."""

    body: str
    reason: str
    detail: str

    @property
    def contents(self) -> str:
        """What was published: the text in SNS's envelope, or the whole body without one."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return self.body
        published = found.get("Type") == "Notification"
        return str(found["Message"]) if published else self.body


@contextmanager
def cloud() -> Iterator["Cloud"]:
    """Start the server, make topic, queues and subscription; stop it at the end of the block."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # its request log
    server = ThreadedMotoServer(ip_address=HOST, port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Cloud(f"http://{host}:{port}")
    finally:
        server.stop()


class Cloud:
    """Topic → subscription → queue, and behind the queue its dead-letter queue."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        session: Any = boto3.Session(region_name=REGION)
        self._sns: Any = session.client("sns", endpoint_url=endpoint)
        self._sqs: Any = session.client("sqs", endpoint_url=endpoint)
        self._dead_letter_url = self._sqs.create_queue(QueueName="ses-feedback-dlq")["QueueUrl"]
        redrive = {
            "deadLetterTargetArn": self._arn(self._dead_letter_url),
            "maxReceiveCount": RECEIVES_BEFORE_REDRIVE,
        }
        self.queue_url: str = self._sqs.create_queue(
            QueueName="ses-feedback", Attributes={"RedrivePolicy": json.dumps(redrive)}
        )["QueueUrl"]
        self.topic_arn: str = self._sns.create_topic(Name="ses-feedback")["TopicArn"]
        self._sns.subscribe(
            TopicArn=self.topic_arn, Protocol="sqs", Endpoint=self._arn(self.queue_url)
        )

    def publish(self, text: str) -> None:
        """Have SNS wrap it in an envelope and deliver it, as SES would."""
        self._sns.publish(TopicArn=self.topic_arn, Message=text)

    def send(self, body: str) -> None:
        """Put it on the queue as it is, as SNS does with a subscription confirmation."""
        self._sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def remaining(self) -> int:
        """Count what is on the queue: visible, in flight and delayed."""
        prefix = "ApproximateNumberOfMessages"
        names = [prefix, f"{prefix}NotVisible", f"{prefix}Delayed"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def dead_letters(self) -> list[DeadLetter]:
        """Read the dead-letter queue; what was read stays hidden for as long as the demo lasts."""
        found: list[DeadLetter] = []
        while batch := self._receive_dead_letters():
            found += map(_dead_letter, batch)
        return found

    def _receive_dead_letters(self) -> list[dict[str, Any]]:
        answer = self._sqs.receive_message(
            QueueUrl=self._dead_letter_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=600,
            MessageAttributeNames=["All"],
        )
        return list(answer.get("Messages", ()))

    def _arn(self, queue_url: str) -> str:
        answer = self._sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        return str(answer["Attributes"]["QueueArn"])


def _dead_letter(message: dict[str, Any]) -> DeadLetter:
    def attribute(name: str) -> str:
        return str(message.get("MessageAttributes", {}).get(name, {}).get("StringValue", ""))

    return DeadLetter(
        body=message["Body"],
        reason=attribute("ses_worker_reason"),
        detail=attribute("ses_worker_error"),
    )
