"""The desired state: topic or rule, queue, dead-letter queue, subscription. Pure.

`config/cloudformation.yaml` describes the same; a test compares them.
"""

import json
from collections.abc import Collection
from itertools import count
from typing import Any

from msgspec import Struct

from worker.topology.checks.event_patterns import FEEDBACK_TYPES, STATUS_TYPES

RETENTION_SECONDS = 345_600
"""4 days: longer than an outage that goes unnoticed, and shorter than dead letters are kept."""
DEAD_LETTER_RETENTION_SECONDS = 1_209_600
"""14 days, SQS's limit: retention counts from when the message was first sent."""
VISIBILITY_SECONDS, WAIT_SECONDS = 60, 20
"""The worker's defaults; it sends its own, so these are for other consumers of the queue."""
MOST_RECEIVES = 10
"""More than the worker's own 5: the worker adds a reason to a dead letter, SQS does not."""
DESTINATION = "ses-feedback-worker"
"""The event destination's name."""
KINDS = ("BOUNCE", "COMPLAINT")
EVENT_PATTERN = {"source": ["aws.ses"], "detail-type": [*FEEDBACK_TYPES, *STATUS_TYPES]}
"""The events that the rule passes on."""
LONGEST_RULE = 64
"""Characters of the name of a rule or target
(https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html)."""


class Names(Struct, frozen=True, kw_only=True):
    """The names of all resources."""

    partition: str
    """`aws`, `aws-cn`, `aws-us-gov`."""
    region: str
    account: str
    topic: str
    """Empty: EventBridge brings events to the queue, and no topic does."""
    queue: str
    dead_letter_queue: str
    rule: str = ""
    """EventBridge's rule; empty: none."""
    key: str = ""
    """The KMS key that encrypts both queues; empty: SQS's own encryption."""

    @property
    def topic_arn(self) -> str:
        """The topic's ARN."""
        return f"arn:{self.partition}:sns:{self.region}:{self.account}:{self.topic}"

    @property
    def queue_arn(self) -> str:
        """The queue's ARN."""
        return self._of_sqs(self.queue)

    @property
    def dead_letter_arn(self) -> str:
        """The dead-letter queue's ARN."""
        return self._of_sqs(self.dead_letter_queue)

    @property
    def rule_arn(self) -> str:
        """The rule's ARN, on the default event bus."""
        return f"arn:{self.partition}:events:{self.region}:{self.account}:rule/{self.rule}"

    @property
    def target(self) -> str:
        """The ARN of what configuration sets send their events to: event bus or topic."""
        bus = f"arn:{self.partition}:events:{self.region}:{self.account}:event-bus/default"
        return bus if self.rule else self.topic_arn

    def of_ses(self, what: str) -> str:
        """The ARN of `identity/NAME` or `configuration-set/NAME`."""
        return f"arn:{self.partition}:ses:{self.region}:{self.account}:{what}"

    def url(self, queue: str) -> str:
        """The URL that a queue will have."""
        suffix = ".cn" if self.partition == "aws-cn" else ""
        return f"https://sqs.{self.region}.amazonaws.com{suffix}/{self.account}/{queue}"

    def _of_sqs(self, name: str) -> str:
        return f"arn:{self.partition}:sqs:{self.region}:{self.account}:{name}"


def queue_attributes(names: Names) -> dict[str, Any]:
    """The queue's desired attributes; `texts` encodes those that are not text."""
    return {
        "MessageRetentionPeriod": str(RETENTION_SECONDS),
        "ReceiveMessageWaitTimeSeconds": str(WAIT_SECONDS),
        "VisibilityTimeout": str(VISIBILITY_SECONDS),
        "RedrivePolicy": redrive_policy(names),
        "Policy": policy(*may_send(names, names.queue_arn)),
    } | encryption(names)


def dead_letter_attributes(names: Names) -> dict[str, Any]:
    """The dead-letter queue's desired attributes; it gets what cannot be delivered."""
    return {
        "MessageRetentionPeriod": str(DEAD_LETTER_RETENTION_SECONDS),
        "Policy": policy(*may_send(names, names.dead_letter_arn)),
    } | encryption(names)


def encryption(names: Names) -> dict[str, str]:
    """The attribute for encryption: SQS's own, or by a KMS key."""
    return {"KmsMasterKeyId": names.key} if names.key else {"SqsManagedSseEnabled": "true"}


def redrive_policy(names: Names) -> dict[str, Any]:
    """The queue's redrive policy."""
    return {"deadLetterTargetArn": names.dead_letter_arn, "maxReceiveCount": MOST_RECEIVES}


def subscription_attributes(names: Names) -> dict[str, Any]:
    """The subscription's desired attributes: keep what SNS cannot deliver."""
    return {"RedrivePolicy": {"deadLetterTargetArn": names.dead_letter_arn}}


def may_send(names: Names, queue_arn: str) -> list[dict[str, Any]]:
    """The statements that admit topic and rule, and nobody else."""
    by_topic = [topic_may_send(names, queue_arn)] if names.topic else []
    return by_topic + ([rule_may_send(names, queue_arn)] if names.rule else [])


def topic_may_send(names: Names, queue_arn: str) -> dict[str, Any]:
    """The statement that admits the topic."""
    return {
        "Sid": "SesFeedbackTopicMaySend",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": names.topic_arn}},
    }


def rule_may_send(names: Names, queue_arn: str) -> dict[str, Any]:
    """The statement that admits EventBridge for the rule."""
    return {
        "Sid": "SesFeedbackRuleMaySend",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": names.rule_arn}},
    }


def rule(names: Names) -> dict[str, Any]:
    """The rule: bounces and complaints, and what SES says about sending itself."""
    return {
        "Name": names.rule,
        "Description": "Bounces, complaints and sending status of SES, for ses-feedback-worker",
        "EventPattern": json.dumps(EVENT_PATTERN),
        "State": "ENABLED",
    }


def target(names: Names, name: str) -> dict[str, Any]:
    """The rule's target: the queue, and the dead-letter queue for what cannot be delivered."""
    return {"Id": name, "Arn": names.queue_arn} | undelivered(names)


def undelivered(names: Names) -> dict[str, Any]:
    """The setting of a target that keeps what EventBridge cannot deliver."""
    return {"DeadLetterConfig": {"Arn": names.dead_letter_arn}}


def destination(names: Names) -> dict[str, Any]:
    """Where an event destination of SES sends to."""
    if names.rule:
        return {"EventBridgeDestination": {"EventBusArn": names.target}}
    return {"SnsDestination": {"TopicArn": names.topic_arn}}


def free(name: str, taken: Collection[str], longest: int = LONGEST_RULE) -> str:
    """Return the name, with a number if it is taken."""
    names = (name[:longest] if n == 1 else f"{name[: longest - 4]}-{n}" for n in count(1))
    return next(found for found in names if found not in taken)


def ses_may_publish(names: Names) -> dict[str, Any]:
    """The statement that lets the account's SES publish to the topic, and no other account's.

    By account alone any region's SES could, which reports about mail that is not this worker's.
    """
    return {
        "Sid": "SesMayPublish",
        "Effect": "Allow",
        "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": names.topic_arn,
        "Condition": {
            "StringEquals": {"aws:SourceAccount": names.account},
            "ArnLike": {"aws:SourceArn": names.of_ses("*")},
        },
    }


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    """A policy with these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}
