"""The queue: whether it exists, and its attributes.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
"""

from collections.abc import Iterator

from worker.topology.checks.commands import provision, set_queue
from worker.topology.checks.facts import Absent, NotPermitted, QueueFacts, Unknown, Unreachable
from worker.topology.checks.findings import Check, Finding

QUEUE = Check("queue")
SHORT_RETENTION_SECONDS = 86_400
"""A day: with less, an outage over a weekend, or from an evening to the next, loses messages."""
LARGEST_NOTIFICATION_BYTES = 262_144
"""SNS's largest message, by default."""
SHORT_VISIBILITY_SECONDS = 30
"""The worker holds messages for 25 s while the database is unavailable."""
_DEFAULT_RETENTION_SECONDS = 345_600
"""SQS's default: 4 days."""


def judge_queue(
    queue: QueueFacts | Unknown,
    url: str,
    region: str,
    *,
    visibility_seconds: int,
    wait_seconds: int,
) -> list[Finding]:
    """Judge the queue."""
    match queue:
        case Absent():
            fix = "fix queue.url or aws.region; or create the queue: " + provision(
                url.rpartition("/")[2]
            )
            return [QUEUE.wrong(f"{url}: there is no such queue in {region}", fix)]
        case NotPermitted(action):
            message = f"{url}: {action} is not permitted, and the worker needs it"
            return [QUEUE.wrong(message, "attach config/iam-run.json to the worker's role or user")]
        case Unreachable(error):
            return [QUEUE.wrong(f"{url}: {error}", "check network, endpoint and credentials")]
    faults = [*_faults(queue, region), *_remarks(queue, visibility_seconds)]
    return faults or [QUEUE.ok(_shown(queue, visibility_seconds, wait_seconds))]


def _shown(queue: QueueFacts, visibility_seconds: int, wait_seconds: int) -> str:
    count = "ApproximateNumberOfMessages"
    return (
        f"{queue.arn}: keeps messages for {days(_retention(queue))}; "
        f"long poll {wait_seconds} s, visibility timeout {visibility_seconds} s; "
        f"{queue.number(count):,} visible, {queue.number(f'{count}NotVisible'):,} in flight"
    )


def _faults(queue: QueueFacts, region: str) -> Iterator[Finding]:
    if (kept := _retention(queue)) < SHORT_RETENTION_SECONDS:
        yield QUEUE.wrong(
            f"{queue.name} keeps messages for only {days(kept)}: a longer outage loses them",
            set_queue(queue.url, region, MessageRetentionPeriod=str(_DEFAULT_RETENTION_SECONDS)),
        )
    largest = queue.number("MaximumMessageSize", LARGEST_NOTIFICATION_BYTES)
    if largest < LARGEST_NOTIFICATION_BYTES:
        yield QUEUE.wrong(
            f"{queue.name} refuses messages above {largest:,} bytes; SNS sends up to "
            f"{LARGEST_NOTIFICATION_BYTES:,}",
            set_queue(queue.url, region, MaximumMessageSize=str(LARGEST_NOTIFICATION_BYTES)),
        )


def _remarks(queue: QueueFacts, visibility_seconds: int) -> Iterator[Finding]:
    if delay := queue.number("DelaySeconds"):
        yield QUEUE.note(f"{queue.name} delays each message by {delay} s")
    if visibility_seconds < SHORT_VISIBILITY_SECONDS:
        yield QUEUE.note(
            f"queue.visibility_seconds is {visibility_seconds}: messages that are held during a "
            "short outage of the database are received again meanwhile",
            "set it to 60",
        )


def _retention(queue: QueueFacts) -> int:
    return queue.number("MessageRetentionPeriod", _DEFAULT_RETENTION_SECONDS)


def days(seconds: int) -> str:
    """Write a duration in the largest unit that fits."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:g} {unit if seconds != size else unit[:-1]}"
    return f"{seconds} s"
