"""A peer: aiobotocore on uvloop, eight loops of receive, commit, delete in one thread.

Runs in a virtual environment of its own (`bench.peers` makes it) and does what `bench.floor` does.
"""

import asyncio
import json
import resource
import sys
from pathlib import Path
from typing import Any

import uvloop  # type: ignore[import-not-found]
from aiobotocore.config import AioConfig  # type: ignore[import-not-found]
from aiobotocore.session import get_session  # type: ignore[import-not-found]

from bench.yardstick import apply, open_database

LOOPS = 8
"""As many as help at 8 ms a call; the worker has 8 pollers, too."""


async def main(queue_url: str, database: str, messages: int) -> None:
    """Take so many messages from the queue to the database."""
    connection = open_database(Path(database))
    left = messages

    async def work(sqs: Any) -> None:
        nonlocal left
        while left > 0:
            answer = await sqs.receive_message(
                QueueUrl=queue_url,
                MaxNumberOfMessages=10,
                # No long poll: at the end of the queue it would add a second.
                WaitTimeSeconds=0,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
            received = answer.get("Messages", [])
            if not received:
                return
            left -= len(received)
            apply(connection, received)
            entries = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(received)
            ]
            answer = await sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
            if len(answer["Successful"]) != len(received):
                sys.exit(f"not all deleted: {answer}")

    config = AioConfig(max_pool_connections=32)
    async with get_session().create_client("sqs", config=config) as sqs:
        await sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])
        before = _cpu_seconds()
        await asyncio.gather(*(work(sqs) for _ in range(LOOPS)))
        print(json.dumps({"cpu_seconds": _cpu_seconds() - before}))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
