"""The envelope in which SNS delivers a message to a queue (without raw message delivery).

https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
"""

import json
import uuid
from datetime import UTC, datetime

_HOST = "https://sns.eu-west-1.amazonaws.com"


def envelope(message: str, topic_arn: str) -> str:
    """Return the body of the SQS message that carries a published message."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": str(uuid.uuid4()),
            "TopicArn": topic_arn,
            "Message": message,
            "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "SignatureVersion": "1",
            "Signature": "bm90IHNpZ25lZA==",
            "SigningCertURL": f"{_HOST}/SimpleNotificationService-00.pem",
            "UnsubscribeURL": f"{_HOST}/?Action=Unsubscribe&SubscriptionArn={topic_arn}:demo",
        },
        indent=2,
    )
