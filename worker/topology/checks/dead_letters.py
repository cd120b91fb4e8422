"""The redrive policy and the dead-letter queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from worker.sqs.redrive import RedrivePolicy, allowed_sources, read_redrive_policy
from worker.topology.checks.commands import provision, set_queue
from worker.topology.checks.facts import (
    Absent,
    NotPermitted,
    QueueFacts,
    Unknown,
    Unreachable,
    read_arn,
)
from worker.topology.checks.findings import Check, Finding
from worker.topology.checks.queue import days

DEAD_LETTERS = Check("dead letters")
_BY_HAND = "create a dead-letter queue, and name it in the queue's RedrivePolicy"
FEWEST_RECEIVES = 5
"""Receives before the worker gives a message up. With fewer, SQS moves it first, without a reason;
and each outage costs a message one receive."""
LONGEST_RETENTION_SECONDS = 1_209_600
"""SQS's limit: 14 days."""
_DEFAULT_RETENTION_SECONDS = 345_600
"""SQS's default: 4 days."""


def moved_early(redrive: RedrivePolicy) -> str | None:
    """Report that the redrive policy moves messages too early; None: it does not."""
    if redrive.most_receives is None or redrive.most_receives >= FEWEST_RECEIVES:
        return None
    return (
        f"the redrive policy moves a message after {redrive.most_receives} receives, but the "
        f"worker tries it {FEWEST_RECEIVES} times: an outage would dead-letter good messages"
    )


def contradicted(redrive: RedrivePolicy, dead_letter_url: str | None) -> str | None:
    """Report that settings and redrive policy name different queues; None: they do not."""
    if dead_letter_url is None or is_named(dead_letter_url, redrive.target):
        return None
    return (
        f"queue.dead_letter_url is {dead_letter_url}, but the redrive policy names "
        f"{redrive.target}: `ses-worker dlq` reads only the first"
    )


def is_named(url: str, arn: str) -> bool:
    """Return whether a queue's URL and an ARN name the same queue, as far as the URL shows it."""
    found, steps = read_arn(arn), urlsplit(url).path.split("/")
    return found is not None and steps[-2:] == [found.account, found.name]


def judge_dead_letters(
    queue: QueueFacts,
    dead: QueueFacts | Unknown | None,
    *,
    region: str,
    dead_letter_url: str | None,
    url_region: str | None,
    topic: str = "",
) -> list[Finding]:
    """Judge the queue's redrive policy, and the queue that dead letters go to.

    `dead`: the dead-letter queue of the settings, else of the policy; `url_region`: the region in
    `queue.dead_letter_url`; `topic`: feeds the queue, if known.
    """
    redrive = read_redrive_policy(queue.text("RedrivePolicy"))
    if redrive is None:
        return [_no_redrive(queue, topic, dead_letter_url)]
    faults = [*_policy_faults(queue, redrive, region, dead_letter_url, url_region)]
    faults += _queue_faults(queue, dead, region, dead_letter_url or redrive.target, topic)
    return faults or [_fine(redrive, dead)]


def _no_redrive(queue: QueueFacts, topic: str, dead_letter_url: str | None) -> Finding:
    fix = provision(queue.arn, topic, elsewhere=_BY_HAND)
    if dead_letter_url is None:
        message = (
            f"{queue.name} has no dead-letter queue: a message that kills the worker comes back "
            "for ever"
        )
        return DEAD_LETTERS.wrong(message, fix)
    message = (
        f"{queue.name} has no redrive policy: the worker sends to queue.dead_letter_url, but a "
        "message that kills the worker comes back for ever"
    )
    name = dead_letter_url.rpartition("/")[2]
    fix = provision(queue.arn, topic, elsewhere=_BY_HAND, dead_letter_queue=name)
    return DEAD_LETTERS.wrong(message, fix)


def _policy_faults(
    queue: QueueFacts,
    redrive: RedrivePolicy,
    region: str,
    dead_letter_url: str | None,
    url_region: str | None,
) -> Iterator[Finding]:
    if early := moved_early(redrive):
        policy = {"deadLetterTargetArn": redrive.target, "maxReceiveCount": 10}
        yield DEAD_LETTERS.wrong(early, set_queue(queue.url, region, RedrivePolicy=policy))
    if url_region not in {None, region}:
        message = f"queue.dead_letter_url is in {url_region}, the queue in {region}"
        yield DEAD_LETTERS.wrong(message, "leave queue.dead_letter_url out of the settings")
    elif both := contradicted(redrive, dead_letter_url):
        yield DEAD_LETTERS.wrong(both, "leave queue.dead_letter_url out of the settings")


def _queue_faults(
    queue: QueueFacts, dead: QueueFacts | Unknown | None, region: str, named: str, topic: str
) -> Iterator[Finding]:
    match dead:
        case None | Absent():
            message = f"the dead-letter queue {named} does not exist"
            yield DEAD_LETTERS.wrong(message, provision(queue.arn, topic, elsewhere=_BY_HAND))
        case NotPermitted() | Unreachable() as why:
            yield DEAD_LETTERS.blind(named, why)
        case QueueFacts():
            yield from _retention_faults(queue, dead, region)
            allowed = allowed_sources(dead.text("RedriveAllowPolicy"))
            if allowed is not None and queue.arn not in allowed:
                message = f"{dead.name} does not allow {queue.name} to use it (RedriveAllowPolicy)"
                allow = {"redrivePermission": "byQueue", "sourceQueueArns": [*allowed, queue.arn]}
                fix = set_queue(dead.url, region, RedriveAllowPolicy=allow)
                yield DEAD_LETTERS.wrong(message, fix)
            if dead_letters := dead.number("ApproximateNumberOfMessages"):
                lie = "dead letter is" if dead_letters == 1 else "dead letters are"
                yield DEAD_LETTERS.note(
                    f"{dead_letters:,} {lie} in {dead.name}", "ses-worker dlq list"
                )


def _retention_faults(queue: QueueFacts, dead: QueueFacts, region: str) -> Iterator[Finding]:
    theirs = dead.number("MessageRetentionPeriod", _DEFAULT_RETENTION_SECONDS)
    ours = queue.number("MessageRetentionPeriod", _DEFAULT_RETENTION_SECONDS)
    if theirs > ours:
        return
    message = (
        f"{dead.name} keeps messages for {days(theirs)}, {queue.name} for {days(ours)}: SQS counts "
        "from when a message was first sent, so it may delete a dead letter as soon as it arrives"
    )
    if theirs == LONGEST_RETENTION_SECONDS:
        shorter = str(_DEFAULT_RETENTION_SECONDS)
        fix = set_queue(queue.url, region, MessageRetentionPeriod=shorter)
        yield DEAD_LETTERS.note(message, fix)
        return
    longest = str(LONGEST_RETENTION_SECONDS)
    yield DEAD_LETTERS.wrong(message, set_queue(dead.url, region, MessageRetentionPeriod=longest))


def _fine(redrive: RedrivePolicy, dead: QueueFacts | Unknown | None) -> Finding:
    kept = ""
    if isinstance(dead, QueueFacts):
        seconds = dead.number("MessageRetentionPeriod", _DEFAULT_RETENTION_SECONDS)
        kept = f", kept for {days(seconds)}"
    return DEAD_LETTERS.ok(f"{redrive.target}, after {redrive.most_receives} receives{kept}")
