"""The client of the queue; the only module that settles messages on SQS.

`asking` is who asks, with which credentials, `answers` what SQS says, `setting_aside` what goes
with a dead letter to the dead-letter queue.

Quotas:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
"""

from collections.abc import Sequence
from functools import partial

from worker.aws import CALL_SECONDS, DENIED, STALE_CREDENTIALS, AwsRefused
from worker.core.errors import Refused, Unavailable
from worker.core.model import DeadLetter, Received
from worker.sqs.byte_budget import ByteBudget
from worker.sqs.client import connect
from worker.sqs.client.digests import whole
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
    dead_letter_attributes,
    dead_letter_queue_is_gone,
    read_redrive_target,
)
from worker.timing import clock
from worker.timing.deadlines import within

POLL_SECONDS = 1
"""The shortest long poll: any wait above 0 asks all of SQS's servers, not a sample of them."""
LONGEST_HOLD_SECONDS = 43_200
"""How long a message can be kept invisible, from its receive on: 12 hours."""
LATE_SECONDS = 5
"""An answer that comes so long after the end of its long poll has lain somewhere for a while."""

__all__ = [
    "CALL_SECONDS",
    "LARGEST_BATCH",
    "LONGEST_HOLD_SECONDS",
    "POLL_SECONDS",
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


class Queue(Asking):
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
        byte_budget: ByteBudget | None = None,
    ) -> None:
        """Nothing is called yet.

        `lean`: use our own client (`worker.sqs.client`) where it can be used; it reads an answer
        when `byte_budget` has room for it.
        """
        self.clock_skew = ClockSkew()
        """How far our clock is from SQS's."""
        connecting = partial(
            connect,
            url,
            region,
            lean=lean,
            wait_seconds=wait_seconds,
            connections=connections,
            clock_skew=self.clock_skew,
            replacement=Replacement(url.rpartition("/")[2]),
            byte_budget=byte_budget,
        )
        super().__init__(url, connecting)
        self._dead_letter_url = dead_letter_url
        self._named_in_settings = dead_letter_url is not None
        self._redrive_policy: str | None = None
        self.visibility_seconds = visibility_seconds

    @property
    def dead_letters_named_by(self) -> str:
        """Whence the dead-letter queue is known."""
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
        """Ask for it, once: JSON in a text; empty where there is none."""
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
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        received_at, now = clock.wall(), clock.now()
        # A process that was suspended meanwhile finds an old answer in its socket; the leases may
        # have begun as soon as it was called.
        is_late = now > requested_at + wait_seconds + LATE_SECONDS
        lease_until = (requested_at if is_late else now) + self.visibility_seconds
        return [
            as_received(message, received_at, lease_until) for message in whole(answer, self.name)
        ]

    def delete(self, messages: Sequence[Received]) -> list[FailedEntry[Received]]:
        """Delete up to ten messages; return those that were not."""
        entries = [
            {"Id": str(number), "ReceiptHandle": message.receipt_handle}
            for number, message in enumerate(messages)
        ]
        return failed_entries(messages, self._call("delete_message_batch", Entries=entries))

    def release(
        self, messages: Sequence[Received], seconds: Sequence[float]
    ) -> list[FailedEntry[Received]]:
        """Make up to ten messages visible again, each after its own seconds; return the rest."""
        return self._have_hidden(messages, seconds)

    def extend(self, messages: Sequence[Received]) -> list[FailedEntry[Received]]:
        """Have up to ten messages hidden for another visibility timeout; return the rest."""
        return self._have_hidden(messages, [self.visibility_seconds] * len(messages))

    def _have_hidden(
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
        """Put the body, unchanged, into the dead-letter queue, with why and whence.

        Raises:
            Refused: there is no dead-letter queue, or it will never take this body.
            Unavailable: also without credentials, which proves nothing about the queue.

        """
        try:
            with within(CALL_SECONDS):
                url = self.find_dead_letter_queue()
                if url is None:
                    raise Refused("there is no dead-letter queue")
                self._call(
                    "send_message",
                    QueueUrl=url,
                    MessageBody=received.body,
                    MessageAttributes=dead_letter_attributes(received, why, self.url),
                )
        except AwsRefused as refused:
            if refused.code in STALE_CREDENTIALS - DENIED:
                raise Unavailable(str(refused)) from refused
            raise

    def ask_to_delete(self) -> None:
        """Test whether deletes are allowed, by a call that deletes nothing.

        Raises:
            Refused: they are not.

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

    def _is_gone(self, url: str) -> str:
        if url == self.url:
            return f"the queue {self.name} is not there: fix queue.url, {url}, or make the queue"
        if not self._named_in_settings:  # it may name another by the next time
            self._redrive_policy = self._dead_letter_url = None
        return dead_letter_queue_is_gone(url, self.dead_letters_named_by)
