"""Records messages that LocalStack has signed, and its certificate: the data of `test_signatures.py`.

Run by hand, in an environment of its own, beside a LocalStack that runs here:

    python -m venv there; there/bin/pip install 'localstack-core[base-runtime]' moto-ext boto3
    GATEWAY_LISTEN=127.0.0.1:4566 SERVICES=sqs,sns DISABLE_EVENTS=1 DNS_ADDRESS=0 \
        SQS_ENDPOINT_STRATEGY=path there/bin/python -m localstack.runtime.main &
    there/bin/python tests/data/signed/record.py http://127.0.0.1:4566

Bodies are kept as SQS delivered them, byte for byte. The certificate is that which the messages
name: LocalStack's own, signed by itself.
"""

import json
import sys
from pathlib import Path
from urllib.request import urlopen

import boto3

HERE = Path(__file__).parent
BOUNCE = {
    "notificationType": "Bounce",
    "bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [
            {
                "emailAddress": "jane@example.com",
                "diagnosticCode": 'smtp; 550 5.1.1 "no such user"\n\té — 😀 \\ / \u2028 <x>',
            }
        ],
        "timestamp": "2026-11-20T08:15:33.000Z",
        "feedbackId": "0000-signed",
    },
    "mail": {
        "messageId": "0000-mail",
        "source": "sender@example.org",
        "timestamp": "2026-11-20T08:15:30.000Z",
    },
}


def main(endpoint: str) -> None:
    named = {
        "endpoint_url": endpoint,
        "region_name": "eu-west-1",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    sns, sqs = boto3.client("sns", **named), boto3.client("sqs", **named)
    certificates = set()
    for version in ("1", "2"):
        topic = sns.create_topic(Name=f"feedback-{version}")["TopicArn"]
        sns.set_topic_attributes(
            TopicArn=topic, AttributeName="SignatureVersion", AttributeValue=version
        )
        queue = sqs.create_queue(QueueName=f"feedback-{version}")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["Attributes"]["QueueArn"])
        for name, subject in {
            "subject": {"Subject": "Amazon SES Email Event é 😀"},
            "plain": {},
        }.items():
            sns.publish(TopicArn=topic, Message=json.dumps(BOUNCE, ensure_ascii=False), **subject)
            [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            (HERE / f"version-{version}-{name}.json").write_text(message["Body"], encoding="utf-8")
            certificates.add(json.loads(message["Body"])["SigningCertURL"])
    [url] = certificates
    # LocalStack names itself localhost.localstack.cloud, which resolves only with the network.
    path = url.partition("://")[2].partition("/")[2]
    with urlopen(f"{endpoint}/{path}") as answer:
        (HERE / "certificate.pem").write_bytes(answer.read())


if __name__ == "__main__":
    main(sys.argv[1])
