"""The desired state: topic, queue, dead-letter queue, subscription. Pure.

`config/cloudformation.yaml` describes the same; a test compares them.
"""

from typing import Any

from msgspec import Struct

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


class Names(Struct, frozen=True, kw_only=True):
    """The names of all resources."""

    partition: str
    """`aws`, `aws-cn`, `aws-us-gov`."""
    region: str
    account: str
    topic: str
    queue: str
    dead_letter_queue: str
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
        "Policy": policy(topic_may_send(names, names.queue_arn)),
    } | encryption(names)


def dead_letter_attributes(names: Names) -> dict[str, Any]:
    """The dead-letter queue's desired attributes; SNS sends there what it cannot deliver."""
    return {
        "MessageRetentionPeriod": str(DEAD_LETTER_RETENTION_SECONDS),
        "Policy": policy(topic_may_send(names, names.dead_letter_arn)),
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


def topic_may_send(names: Names, queue_arn: str) -> dict[str, Any]:
    """The statement that admits the topic, and nobody else."""
    return {
        "Sid": "SesFeedbackTopicMaySend",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue_arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": names.topic_arn}},
    }


def ses_may_publish(names: Names) -> dict[str, Any]:
    """The statement that lets the account's SES publish to the topic."""
    return {
        "Sid": "SesMayPublish",
        "Effect": "Allow",
        "Principal": {"Service": "ses.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": names.topic_arn,
        "Condition": {"StringEquals": {"AWS:SourceAccount": names.account}},
    }


def policy(statement: dict[str, Any]) -> dict[str, Any]:
    """A policy with a single statement."""
    return {"Version": "2012-10-17", "Statement": [statement]}
