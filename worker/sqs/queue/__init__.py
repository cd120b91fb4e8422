"""The client of the queue; the only module that deletes and releases messages on SQS.

`asking` makes the calls, with credentials; `answers` translates SQS's answers; `setting_aside`
makes the attributes of dead letters.

Quotas:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from worker.aws import CALL_SECONDS, AwsRefused
from worker.aws.codes import BAD_CREDENTIALS
from worker.core.errors import Refused, Unavailable
from worker.core.messages import DeadLetter, Received
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.client import connect
from worker.sqs.client.digests import intact_messages
from worker.sqs.client.replacement import Replacement
from worker.sqs.client.skew import ClockSkew
from worker.sqs.queue.answers import (
    LARGEST_BATCH,
    Counts,
    EntriesRefused,
    FailedEntry,
    as_received,
    failed_entries,
    refusal_of,
    tens,
)
from worker.sqs.queue.asking import Asking, NoSuchQueue
from worker.sqs.queue.setting_aside import (
    LARGEST_SENDING_BYTES,
    dead_letter_attributes,
    dead_letter_queue_is_gone,
    entries_that_fit,
)
from worker.sqs.redrive import read_redrive_target
from worker.timing import clock
from worker.timing.deadlines import within

POLL_SECONDS = 1
"""The shortest long poll: any wait above 0 asks all of SQS's servers, not a sample of them."""
LONGEST_HOLD_SECONDS = 43_200
"""How long a message can be kept invisible, from its receive on: 12 hours."""
UNCONFIRMED = "the answer to SendMessage confirms nothing: it has no MessageId"
LATE_SECONDS = 5
"""An answer that is read so long after the end of its long poll arrived earlier."""

__all__ = [
    "CALL_SECONDS",
    "LARGEST_BATCH",
    "LARGEST_SENDING_BYTES",
    "LONGEST_HOLD_SECONDS",
    "POLL_SECONDS",
    "ClientOptions",
    "Counts",
    "EntriesRefused",
    "FailedEntry",
    "NoSuchQueue",
    "Queue",
    "as_received",
    "dead_letter_queue_is_gone",
    "failed_entries",
    "refusal_of",
    "tens",
]


class ClientOptions(Struct, frozen=True, kw_only=True):
    """How the clients of SQS are made."""

    lean: bool = True
    """Use our own client (`worker.sqs.client`) where it can be used."""
    wait_seconds: int = 20
    """Length of the longest long poll."""
    connections: int = 10
    """Connections that are kept open."""
    byte_budget: ByteBudget | None = None
    """Our own client reads an answer when this has room for it."""


DEFAULT_CLIENT = ClientOptions()


class Queue(Asking):
    """A queue, and its dead-letter queue. Thread-safe.

    Every call raises `Unavailable` for a temporary failure and `Refused` for a denied or invalid
    call.
    """

    def __init__(
        self,
        url: str,
        *,
        region: str,
        dead_letter_url: str | None = None,
        visibility_seconds: int = 60,
        client: ClientOptions = DEFAULT_CLIENT,
    ) -> None:
        """Nothing is called yet."""
        self.clock_skew = ClockSkew()
        """The difference between this machine's clock and SQS's."""
        connecting = partial(
            connect,
            url,
            region,
            lean=client.lean,
            wait_seconds=client.wait_seconds,
            connections=client.connections,
            clock_skew=self.clock_skew,
            replacement=Replacement(url.rpartition("/")[2]),
            byte_budget=client.byte_budget,
        )
        super().__init__(url, connecting)
        self._dead_letter_url = dead_letter_url
        self._named_in_settings = dead_letter_url is not None
        self._redrive_policy: str | None = None
        self.visibility_seconds = visibility_seconds

    @property
    def dead_letters_named_by(self) -> str:
        """What names the dead-letter queue: a setting or the redrive policy."""
        if self._named_in_settings:
            return "queue.dead_letter_url"
        return f"the redrive policy of the queue {self.name}"

    def find_dead_letter_queue(self) -> str | None:
        """Return the URL of the dead-letter queue: the settings', else the redrive policy's.

        A dead-letter queue is in the account and the region of its source, so its URL differs
        from the source's in the name alone.
        """
        if self._dead_letter_url is None:
            arn = read_redrive_target(self.redrive_policy())
            name = arn.rpartition(":")[2] if arn else ""
            # A dead letter sent to its own queue would loop for ever.
            if name not in {"", self.name}:
                self._dead_letter_url = f"{self.url.rpartition('/')[0]}/{name}"
        return self._dead_letter_url

    def redrive_policy(self) -> str:
        """Ask for the redrive policy once: JSON in a text, empty without a policy."""
        if self._redrive_policy is None:
            self._redrive_policy = self._attributes("RedrivePolicy").get("RedrivePolicy", "")
        return self._redrive_policy

    def receive(self, most: int, wait_seconds: int) -> list[Received]:
        """Long-poll for at most `most` (1 to 10) messages."""
        requested_at = clock.now()
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=self.visibility_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp", "SenderId"],
            MessageAttributeNames=["All"],
        )
        received_at, now = clock.wall(), clock.now()
        # A process that was suspended meanwhile reads an old answer from its socket. The leases may
        # have begun right after the call.
        is_late = now > requested_at + wait_seconds + LATE_SECONDS
        lease_until = (requested_at if is_late else now) + self.visibility_seconds
        return [
            as_received(message, received_at, lease_until)
            for message in intact_messages(answer, self.name)
        ]

    def delete(self, messages: Sequence[Received]) -> list[FailedEntry[Received]]:
        """Delete up to ten messages; return those that failed."""
        entries = [
            {"Id": str(number), "ReceiptHandle": message.receipt_handle}
            for number, message in enumerate(messages)
        ]
        return failed_entries(messages, self._call("delete_message_batch", Entries=entries))

    def release(
        self, messages: Sequence[Received], seconds: Sequence[float]
    ) -> list[FailedEntry[Received]]:
        """Make up to ten messages visible after the given seconds; return those that failed."""
        return self._change_visibility(messages, seconds)

    def extend(self, messages: Sequence[Received]) -> list[FailedEntry[Received]]:
        """Hide up to ten messages for another visibility timeout; return those that failed."""
        return self._change_visibility(messages, [self.visibility_seconds] * len(messages))

    def _change_visibility(
        self, messages: Sequence[Received], seconds: Sequence[float]
    ) -> list[FailedEntry[Received]]:
        entries = [
            {
                "Id": str(number),
                "ReceiptHandle": message.receipt_handle,
                "VisibilityTimeout": round(after),
            }
            for number, (message, after) in enumerate(zip(messages, seconds, strict=True))
        ]
        return failed_entries(
            messages, self._call("change_message_visibility_batch", Entries=entries)
        )

    def send_dead_letter(self, received: Received, why: DeadLetter) -> None:
        """Send the unchanged body to the dead-letter queue, with reason and source as attributes.

        Raises:
            Refused: there is no dead-letter queue, or it does not accept this body, or does not
                confirm it. boto3 reads an empty answer as a success; the message would be lost if
                it were then deleted.
            Unavailable: also without credentials, which proves nothing about the queue.

        """
        try:
            with within(CALL_SECONDS):
                url = self.find_dead_letter_queue()
                if url is None:
                    raise Refused("there is no dead-letter queue")
                answer = self._call(
                    "send_message",
                    QueueUrl=url,
                    MessageBody=received.body,
                    MessageAttributes=dead_letter_attributes(received, why, self.url),
                )
                if not answer.get("MessageId"):
                    raise Refused(UNCONFIRMED)
        except AwsRefused as refused:
            if refused.code in BAD_CREDENTIALS:
                raise Unavailable(str(refused)) from refused
            raise

    def send_dead_letters(
        self, dead_letters: Sequence[tuple[Received, DeadLetter]]
    ) -> list[Received]:
        """Send up to ten dead letters in a call; return those that SQS confirms, and no others.

        Of the others nothing is known: `send_dead_letter` says of each what is wrong. If SQS took
        the call and its answer was lost, each of them is then there twice.

        Raises:
            Refused: there is no dead-letter queue, or it does not accept the call.
            Unavailable: SQS is.

        """
        with within(CALL_SECONDS):
            url = self.find_dead_letter_queue()
            if url is None:
                raise Refused("there is no dead-letter queue")
            entries = entries_that_fit(dead_letters, self.url)
            if not entries:
                return []
            answer = self._call("send_message_batch", QueueUrl=url, Entries=entries)
        done = {entry["Id"] for entry in answer.get("Successful") or () if entry.get("MessageId")}
        done -= {entry["Id"] for entry in answer.get("Failed") or ()}
        return [
            received for number, (received, _) in enumerate(dead_letters) if str(number) in done
        ]

    def ask_to_delete(self) -> None:
        """Test whether deletes are allowed, by a call that deletes nothing.

        Raises:
            Refused: deletes are not allowed.

        """
        entries = [{"Id": "0", "ReceiptHandle": "none"}]
        try:
            answer = self._call("delete_message_batch", Entries=entries)
        except AwsRefused as refused:
            if "ReceiptHandle" not in refused.code:
                raise
            return
        failed = failed_entries(entries, answer)
        if failed and "ReceiptHandle" not in failed[0].code:
            raise refusal_of("DeleteMessageBatch", 1, failed[0])

    def counts(self) -> Counts:
        """Ask for the number of messages in the queue."""
        return self._counts(self.url)

    def dead_letter_counts(self) -> tuple[str, Counts] | None:
        """Ask for name and counts of the dead-letter queue; None where there is none."""
        url = self.find_dead_letter_queue()
        return (url.rpartition("/")[2], self._counts(url)) if url else None

    def _counts(self, url: str) -> Counts:
        prefix = "ApproximateNumberOfMessages"
        found = self._attributes(prefix, f"{prefix}NotVisible", f"{prefix}Delayed", of=url)
        if prefix not in found:  # an empty answer does not mean an empty queue
            raise Unavailable("the answer to GetQueueAttributes has no count of messages")
        return Counts(
            visible=int(found.get(prefix, 0)),
            in_flight=int(found.get(f"{prefix}NotVisible", 0)),
            delayed=int(found.get(f"{prefix}Delayed", 0)),
        )

    def _is_gone(self, url: str) -> str:
        if url == self.url:
            return f"the queue {self.name} is not there: fix queue.url, {url}, or make the queue"
        if not self._named_in_settings:  # the redrive policy may have changed
            self._redrive_policy = self._dead_letter_url = None
        return dead_letter_queue_is_gone(url, self.dead_letters_named_by)
