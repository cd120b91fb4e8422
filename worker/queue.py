"""The far side that is SQS; nobody else here speaks with it.

Quotas: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, Generic, TypeVar

import structlog
from msgspec import Struct

from worker import __version__, clock
from worker.aws import (
    DENIED,
    NO_QUEUE,
    STALE_CREDENTIALS,
    AwsRefused,
    NoIdentity,
    translated,
)
from worker.errors import Refused, Unavailable
from worker.masking import harmless
from worker.model import DeadLetter, Received
from worker.sqs import Clients, connect
from worker.sqs.digests import whole

LARGEST_BATCH = 10
"""Messages in one receive, entries in one batch call."""
MOST_ATTRIBUTES = 10
"""Message attributes of one message."""
POLL_SECONDS = 1
"""The shortest long poll: any wait above 0 asks all of SQS's servers, not a sample of them."""
LONGEST_HOLD_SECONDS = 43_200
"""How long a message can be kept invisible, from its receive on: 12 hours."""
LATE_SECONDS = 5
"""An answer that comes so long after the end of its long poll has lain somewhere for a while."""

log = structlog.get_logger()

Item = TypeVar("Item")


class Counts(Struct, frozen=True):
    """How many messages SQS thinks there are; it is right about a minute after things calm down."""

    visible: int = 0
    in_flight: int = 0
    delayed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.visible + self.in_flight + self.delayed


class Unsettled(Struct, Generic[Item], frozen=True):
    """An entry of a batch call that failed although the call succeeded."""

    item: Item
    """The message, or whatever the entry was made of."""
    code: str
    again: bool
    """The fault is SQS's: the same entry may succeed later."""


class NoSuchQueue(AwsRefused):
    """A queue that is named somewhere is not there."""

    def __init__(self, said: str, refused: AwsRefused) -> None:
        super().__init__(refused.code, refused.text, refused.status, refused.operation)
        self.args = (said,)


class Queue:
    """One queue, and the dead-letter queue that belongs to it. Thread-safe.

    Every call raises `Unavailable` for what passes and `Refused` for what SQS will not do.
    """

    def __init__(
        self,
        url: str,
        *,
        region: str,
        dead_letter_url: str | None = None,
        visibility_seconds: int = 60,
        wait_seconds: int = 20,
        connections: int = 10,
        lean: bool = True,
    ) -> None:
        """Nothing is called yet; `lean`: what the path asks for, where it can, by `worker.sqs`."""
        self.url = url
        self._dead_letter_url = dead_letter_url
        self._named_in_settings = dead_letter_url is not None
        self._redrive_policy: str | None = None
        self.visibility_seconds = visibility_seconds
        self._connect = partial(
            connect, url, region, lean=lean, wait_seconds=wait_seconds, connections=connections
        )
        self._turn = threading.Lock()
        self._clients: Clients | None = None
        """Made when they are first needed, and anew after trouble with credentials."""
        self._has_told = False

    @property
    def name(self) -> str:
        """The queue's name, as logs show it."""
        return self.url.rpartition("/")[2]

    @property
    def dead_letters_named_by(self) -> str:
        """Whence the dead-letter queue is known."""
        if self._named_in_settings:
            return "queue.dead_letter_url"
        return f"the redrive policy of the queue {self.name}"

    def find_dead_letter_queue(self) -> str | None:
        """Tell where dead letters go: what the settings say, else what the redrive policy says.

        A dead-letter queue is in the account and the region of its source, so its URL differs
        from the source's in the name alone.
        """
        if self._dead_letter_url is None:
            arn = read_redrive_target(self.redrive_policy())
            name = arn.rpartition(":")[2] if arn else ""
            if name not in {
                "",
                self.name,
            }:  # a letter sent to its own queue would go round for ever
                self._dead_letter_url = f"{self.url.rpartition('/')[0]}/{name}"
        return self._dead_letter_url

    def redrive_policy(self) -> str:
        """Ask for it, once: JSON in a text; empty where there is none."""
        if self._redrive_policy is None:
            self._redrive_policy = self._attributes("RedrivePolicy").get("RedrivePolicy", "")
        return self._redrive_policy

    def receive(self, most: int, wait_seconds: int) -> list[Received]:
        """Long-poll for at most `most` (1 to 10) messages."""
        asked_at = clock.now()
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=self.visibility_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        received_at, now = datetime.now(UTC), clock.now()
        # A process that was suspended meanwhile finds an old answer in its socket; the leases may
        # have begun as soon as it asked.
        is_late = now > asked_at + wait_seconds + LATE_SECONDS
        lease_until = (asked_at if is_late else now) + self.visibility_seconds
        return [
            as_received(message, received_at, lease_until) for message in whole(answer, self.name)
        ]

    def delete(self, messages: Sequence[Received]) -> list[Unsettled[Received]]:
        """Delete up to ten messages; return those that were not."""
        entries = [
            {"Id": str(number), "ReceiptHandle": message.receipt_handle}
            for number, message in enumerate(messages)
        ]
        return unsettled(messages, self._call("delete_message_batch", Entries=entries))

    def release(
        self, messages: Sequence[Received], seconds: Sequence[float]
    ) -> list[Unsettled[Received]]:
        """Make up to ten messages visible again, each after its own seconds; return the rest."""
        return self._have_hidden(messages, seconds)

    def extend(self, messages: Sequence[Received]) -> list[Unsettled[Received]]:
        """Have up to ten messages hidden for another visibility timeout; return the rest."""
        return self._have_hidden(messages, [self.visibility_seconds] * len(messages))

    def _have_hidden(
        self, messages: Sequence[Received], seconds: Sequence[float]
    ) -> list[Unsettled[Received]]:
        entries = [
            {
                "Id": str(number),
                "ReceiptHandle": message.receipt_handle,
                "VisibilityTimeout": round(after),
            }
            for number, (message, after) in enumerate(zip(messages, seconds, strict=True))
        ]
        return unsettled(messages, self._call("change_message_visibility_batch", Entries=entries))

    def send_dead_letter(self, received: Received, why: DeadLetter) -> None:
        """Put the body, unchanged, into the dead-letter queue, with why and whence.

        Raises:
            Refused: there is no dead-letter queue, or it will never take this body.
            Unavailable: also where we cannot say who we are, which says nothing about it.

        """
        try:
            url = self.find_dead_letter_queue()
            if url is None:
                raise Refused("there is no dead-letter queue")
            self._call(
                "send_message",
                QueueUrl=url,
                MessageBody=received.body,
                MessageAttributes=self._dead_letter_attributes(received, why),
            )
        except AwsRefused as refused:
            if refused.code in STALE_CREDENTIALS - DENIED:
                raise Unavailable(str(refused)) from refused
            raise

    def ask_to_delete(self) -> None:
        """Find out whether deletes are allowed, by one that deletes nothing.

        Raises:
            Refused: they are not.

        """
        try:
            self._call("delete_message_batch", Entries=[{"Id": "0", "ReceiptHandle": "none"}])
        except AwsRefused as refused:
            if "ReceiptHandle" not in refused.code:
                raise

    def counts(self) -> Counts:
        """Ask how many messages there are."""
        return self._counts(self.url)

    def dead_letter_counts(self) -> tuple[str, Counts] | None:
        """Ask for the dead-letter queue's name and how much is in it; None where there is none."""
        url = self.find_dead_letter_queue()
        return (url.rpartition("/")[2], self._counts(url)) if url else None

    def _counts(self, url: str) -> Counts:
        prefix = "ApproximateNumberOfMessages"
        found = self._attributes(prefix, f"{prefix}NotVisible", f"{prefix}Delayed", of=url)
        return Counts(
            visible=int(found.get(prefix, 0)),
            in_flight=int(found.get(f"{prefix}NotVisible", 0)),
            delayed=int(found.get(f"{prefix}Delayed", 0)),
        )

    def _dead_letter_attributes(self, received: Received, why: DeadLetter) -> dict[str, Any]:
        texts = {
            "ses_worker_reason": why.reason.value,
            "ses_worker_error": harmless(why.detail) or "-",
            "ses_worker_first_seen": (received.sent_at or received.received_at).isoformat(),
            "ses_worker_source_queue": self.url,
            "ses_worker_version": __version__,
            "ses_worker_message_id": received.message_id,  # SQS gives the letter another one
        }
        ours = {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}
        theirs = {name: value for name, value in received.attributes.items() if name not in ours}
        return dict(list((ours | theirs).items())[:MOST_ATTRIBUTES])

    def _attributes(self, *names: str, of: str | None = None) -> dict[str, str]:
        request = {"QueueUrl": of or self.url, "AttributeNames": list(names)}
        answer = self._ask("get_queue_attributes", request)
        return dict(answer.get("Attributes", {}))

    def _call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        return self._ask(operation, {"QueueUrl": self.url} | arguments)

    def _ask(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return self._ask_once(operation, request)
        except AwsRefused as refused:
            if refused.code not in STALE_CREDENTIALS:
                raise
        return self._ask_once(operation, request)  # as somebody else, perhaps

    def _ask_once(self, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        clients = self._clients or self._connected()
        try:
            with translated():
                return clients.ask(operation, request)
        except (AwsRefused, NoIdentity) as error:
            if not isinstance(error, AwsRefused) or error.code in STALE_CREDENTIALS:
                self._forget(clients)
            elif error.code in NO_QUEUE:
                raise NoSuchQueue(self._is_gone(request.get("QueueUrl", "")), error) from error
            raise

    def _is_gone(self, url: str) -> str:
        if url == self.url:
            return f"the queue {self.name} is not there: mend queue.url, {url}, or make the queue"
        if not self._named_in_settings:  # it may name another by the next time
            self._redrive_policy = self._dead_letter_url = None
        return dead_letter_queue_is_gone(url, self.dead_letters_named_by)

    def _connected(self) -> Clients:
        with self._turn:
            clients = self._clients = self._clients or self._connect()
            if clients.why_not and not self._has_told:
                self._has_told = True
                log.info("queue.boto3_used", queue=self.name, reason=clients.why_not)
        return clients

    def _forget(self, clients: Clients) -> None:
        with self._turn:
            if self._clients is clients:  # else somebody has made others since
                self._clients = None


def dead_letter_queue_is_gone(url: str, named_by: str) -> str:
    """Say so, and what to do."""
    name = url.rpartition("/")[2]
    return (
        f"the dead-letter queue {name} is not there, and {named_by} names it: make it again, or "
        "name another there; what it cannot take is kept in the table quarantine"
    )


def read_redrive_target(policy: str) -> str | None:
    """The ARN in a RedrivePolicy, which is JSON in a string."""
    try:
        found = json.loads(policy or "{}").get("deadLetterTargetArn")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) else None


def as_received(message: Mapping[str, Any], received_at: datetime, lease_until: float) -> Received:
    """Read a message as ReceiveMessage answers it."""
    system = message.get("Attributes") or {}
    return Received(
        message_id=message["MessageId"],
        body=message["Body"],
        receipt_handle=message["ReceiptHandle"],
        receive_count=_number(system.get("ApproximateReceiveCount")) or 1,
        received_at=received_at,
        lease_until=lease_until,
        sent_at=_moment(_number(system.get("SentTimestamp"))),
        attributes=message.get("MessageAttributes") or {},
    )


def _number(said: object) -> int | None:
    """Read one of SQS's; a strange one must not end the receive of its neighbours."""
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 19:
        return int(said)
    return None


def _moment(milliseconds: int | None) -> datetime | None:
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
    return None


def tens(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Share them out, in order, to as many as a batch call takes."""
    for start in range(0, len(items), LARGEST_BATCH):
        yield items[start : start + LARGEST_BATCH]


def unsettled(items: Sequence[Item], answer: Mapping[str, Any]) -> list[Unsettled[Item]]:
    """Read every entry of the answer: a 200 may carry failures, or not mention an entry."""
    done = {entry["Id"] for entry in answer.get("Successful") or ()}
    failed = {entry["Id"]: entry for entry in answer.get("Failed") or ()}
    found = []
    for number, item in enumerate(items):
        if (name := str(number)) not in done:
            entry = failed.get(name, {})
            again = not entry.get("SenderFault", False)
            found.append(Unsettled(item, entry.get("Code", "NoAnswer"), again))
    return found
