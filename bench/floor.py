"""floor1: one thread of plain boto3. It receives ten, commits them, deletes them, and again.

Run as a process of its own by `bench.contestants`; prints what its loop has cost.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bench.yardstick import apply, open_database

LONG_POLL_SECONDS = 1


def cpu_seconds() -> float:
    """User and system, of this process and of its children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(item.ru_utime + item.ru_stime for item in used)


def main(queue_url: str, database: str, messages: int) -> None:
    """Take so many messages from the queue to the database."""
    sqs: Any = boto3.client("sqs", config=Config(max_pool_connections=32))
    connection = open_database(Path(database))
    # The first call of a client costs more than all later ones: start-up, not loop.
    sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
    before, left = cpu_seconds(), messages
    while left:
        answer = sqs.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=LONG_POLL_SECONDS,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        received = answer.get("Messages", [])
        if not received:
            sys.exit(f"the queue is empty, and {left} messages are missing")
        apply(connection, received)
        entries = [
            {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
            for number, message in enumerate(received)
        ]
        answer = sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
        if len(answer["Successful"]) != len(received):
            sys.exit(f"not all deleted: {answer}")
        left -= len(received)
    print(json.dumps({"cpu_seconds": cpu_seconds() - before}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
