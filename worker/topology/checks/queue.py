"""The queue: that it is there, and set up for us.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
"""

from collections.abc import Iterator

from worker.topology.checks.commands import provision, set_queue
from worker.topology.checks.facts import Absent, NotPermitted, QueueFacts, Unknown, Unreachable
from worker.topology.checks.findings import Check, Finding

QUEUE = Check("queue")
SHORT_RETENTION_SECONDS = 86_400
"""A weekend's outage would lose messages, and so would one night and a day."""
LARGEST_NOTIFICATION_BYTES = 262_144
"""SNS's largest message, unless the topic is configured otherwise."""
SHORT_VISIBILITY_SECONDS = 30
"""A worker holds messages for 25 s while the database is unavailable."""
_DEFAULT_RETENTION_SECONDS = 345_600


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
            fix = "set queue.url, or aws.region; or make it: " + provision(url.rpartition("/")[2])
            return [QUEUE.wrong(f"{url}: there is no such queue in {region}", fix)]
        case NotPermitted(action):
            message = f"{url}: {action} is not permitted, and the worker needs it itself"
            return [QUEUE.wrong(message, "attach config/iam-run.json to the worker's role or user")]
        case Unreachable(error):
            return [QUEUE.wrong(f"{url}: {error}", "see to network, endpoint and credentials")]
    faults = [*_faults(queue, region), *_remarks(queue, visibility_seconds)]
    return faults or [QUEUE.ok(_shown(queue, visibility_seconds, wait_seconds))]


def _shown(queue: QueueFacts, visibility_seconds: int, wait_seconds: int) -> str:
    count = "ApproximateNumberOfMessages"
    return (
        f"{queue.arn}: kept for {days(_retention(queue))}; "
        f"we poll for {wait_seconds} s and hide for {visibility_seconds} s; "
        f"{queue.number(count):,} waiting, {queue.number(f'{count}NotVisible'):,} in flight"
    )


def _faults(queue: QueueFacts, region: str) -> Iterator[Finding]:
    if (kept := _retention(queue)) < SHORT_RETENTION_SECONDS:
        yield QUEUE.wrong(
            f"{queue.name} keeps messages for {days(kept)} only: a longer outage loses them",
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
            f"queue.visibility_seconds is {visibility_seconds}: what is held through a short "
            "outage comes again meanwhile",
            "set it to 60",
        )


def _retention(queue: QueueFacts) -> int:
    return queue.number("MessageRetentionPeriod", _DEFAULT_RETENTION_SECONDS)


def days(seconds: int) -> str:
    """Report how long, in the unit that fits."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:g} {unit if seconds != size else unit[:-1]}"
    return f"{seconds} s"
