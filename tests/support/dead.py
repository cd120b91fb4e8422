"""Dead letters in a dead-letter queue, and another consumer of it."""

import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3

from simulators.sqs import Fault
from support import mail
from worker.commands.csv_users import read_users
from worker.core.messages import DeadLetter, Received
from worker.core.model import Reason
from worker.store import ensure_schema, open_store
from worker.store.users import import_users

DLQ = "feedback-dlq"
BROKEN = ("nonsense", "[1, 2]", '{"a": 1}')
"""Bodies that are never understood: not_json, not_an_object, no_type."""


@dataclass(frozen=True, slots=True)
class MovedSlowly(Fault):
    """SQS moves so many dead letters a second, and not all at once."""

    rate: int

    def around(self, call, perform):
        return perform(call.with_arguments(MaxNumberOfMessagesPerSecond=self.rate))


def marked(reason, *, source="feedback", first_seen="2026-11-20T08:15:34+00:00", **theirs):
    """Attributes of a dead letter that the worker has dead-lettered."""
    texts = {
        "ses_worker_reason": reason,
        "ses_worker_error": "why it was",
        "ses_worker_first_seen": first_seen,
        "ses_worker_source_queue": f"http://127.0.0.1:1/111122223333/{source}",
        "ses_worker_version": "0.0.9",
    }
    return {
        name: {"DataType": "String", "StringValue": text} for name, text in (texts | theirs).items()
    }


def fill(emulator, *bodies, reason="not_json", **more):
    """Put dead letters into the dead-letter queue; return their ids."""
    attributes = marked(reason, **more)
    return [emulator.send(DLQ, body, attributes=attributes) for body in bodies]


def bounces(count):
    return [mail.bounce(address) for address in mail.addresses(count)]


def bodies(emulator, queue=DLQ):
    return sorted(dead_letter.body for dead_letter in emulator.messages(queue))


def all_visible(emulator, count, queue=DLQ):
    """All messages that were received have been released."""
    return emulator.counts(queue) == (count, 0, 0)


def client(emulator):
    """Another client of the queues."""
    session = boto3.Session("AKIAEXAMPLE", "not-checked", region_name="us-east-1")
    return session.client("sqs", endpoint_url=emulator.endpoint)


def hold(emulator, count=1, seconds=600):
    """Receive dead letters as another consumer; return them."""
    sqs = client(emulator)
    held = sqs.receive_message(
        QueueUrl=emulator.url(DLQ), VisibilityTimeout=seconds, MaxNumberOfMessages=count
    )["Messages"]
    sqs.close()
    return held


def let_go(emulator, held):
    sqs = client(emulator)
    for message in held:
        sqs.change_message_visibility(
            QueueUrl=emulator.url(DLQ), ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
        )
    sqs.close()


def redriven(emulator, queue, *bodies_):
    """Have SQS move messages to the dead-letter queue, for being received too often."""
    for body in bodies_:
        emulator.send(queue, body)
    sqs = client(emulator)
    for _ in itertools.count():
        if not sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=0).get(
            "Messages"
        ):
            break
    sqs.close()


def outcomes(figures):
    names = ("applied", "duplicate", "ignored", "deferred", "dead_lettered")
    return [figures[name] for name in names]


@contextmanager
def opened(environment):
    """The store of a test, with the schema."""
    store = open_store(environment["SES_WORKER_STORE__URL"])
    ensure_schema(store, migrate=True)
    yield store
    store.close()


def users(environment, people):
    """Make users, and the store if need be."""
    with opened(environment) as store:
        for _ in import_users(store, read_users(["email", *people])):
            pass


def quarantined(environment, *rows):
    """Put dead letters into the table, as an earlier worker did."""
    with opened(environment) as store, store.transaction() as transaction:
        for number, (reason, body) in enumerate(rows):
            received = Received(
                message_id=f"kept-{number}",
                body=body,
                receipt_handle="",
                receive_count=1,
                received_at=datetime(2026, 11, 20, 9, tzinfo=UTC),
                lease_until=0,
                sent_at=datetime(2026, 11, 20, 8, tzinfo=UTC),
                attributes={"theirs": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}},
            )
            transaction.quarantine(
                environment["SES_WORKER_QUEUE__URL"], received, DeadLetter(Reason(reason), "why")
            )


def groups(figures):
    return {(item["where"], item["reason"]): item["count"] for item in figures["groups"]}
