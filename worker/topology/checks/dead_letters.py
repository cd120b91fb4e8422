"""Redrive policy and dead-letter queue.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

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
_BY_HAND = "make a dead-letter queue, and name it in the queue's RedrivePolicy"
FEWEST_RECEIVES = 5
"""The worker's own: below it a message is moved before the worker has given it up, and why is not
on it. An outage costs a message one receive."""
LONGEST_RETENTION_SECONDS = 1_209_600
_DEFAULT_RETENTION_SECONDS = 345_600


class Redrive(Struct, frozen=True):
    """A redrive policy."""

    target: str
    """The dead-letter queue's ARN."""
    most_receives: int


def read_redrive(text: str) -> Redrive | None:
    """Read the attribute RedrivePolicy; None where there is none, or it is no such policy."""
    try:
        found: Any = json.loads(text or "null")
        return Redrive(str(found["deadLetterTargetArn"]), int(found["maxReceiveCount"]))
    except (ValueError, TypeError, KeyError):
        return None


def moved_early(redrive: Redrive) -> str | None:
    """Report that the redrive policy is too quick."""
    if redrive.most_receives >= FEWEST_RECEIVES:
        return None
    return (
        f"the redrive policy moves a message after {redrive.most_receives} receives, and the "
        f"worker gives one up after {FEWEST_RECEIVES}: outages would set good messages aside"
    )


def contradicted(redrive: Redrive, dead_letter_url: str | None) -> str | None:
    """Report that the settings name another queue than the redrive policy."""
    if dead_letter_url is None or is_named(dead_letter_url, redrive.target):
        return None
    return (
        f"queue.dead_letter_url is {dead_letter_url}, the redrive policy says {redrive.target}: "
        "`ses-worker dlq` looks only into the first"
    )


def is_named(url: str, arn: str) -> bool:
    """Return whether a queue's URL and an ARN name the same queue, as far as a URL shows it."""
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

    `topic` is what feeds the queue, where it is known; `dead` is the named queue, else the
    policy's; `url_region` what `queue.dead_letter_url` says.
    """
    redrive = read_redrive(queue.text("RedrivePolicy"))
    if redrive is None:
        return [_no_redrive(queue, topic, dead_letter_url)]
    faults = [*_policy_faults(queue, redrive, region, dead_letter_url, url_region)]
    faults += _queue_faults(queue, dead, region, dead_letter_url or redrive.target, topic)
    return faults or [_fine(redrive, dead)]


def _no_redrive(queue: QueueFacts, topic: str, dead_letter_url: str | None) -> Finding:
    fix = provision(queue.arn, topic, elsewhere=_BY_HAND)
    if dead_letter_url is None:
        message = f"{queue.name} has no dead-letter queue: what kills a worker comes back for ever"
        return DEAD_LETTERS.wrong(message, fix)
    message = (
        f"{queue.name} has no redrive policy: the worker sends to queue.dead_letter_url, but what "
        "kills a worker comes back for ever"
    )
    name = dead_letter_url.rpartition("/")[2]
    fix = provision(queue.arn, topic, elsewhere=_BY_HAND, dead_letter_queue=name)
    return DEAD_LETTERS.wrong(message, fix)


def _policy_faults(
    queue: QueueFacts,
    redrive: Redrive,
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
            yield from _keeping(queue, dead, region)
            allowed = _allowed(dead)
            if allowed is not None and queue.arn not in allowed:
                message = f"{dead.name} does not allow {queue.name} to use it (RedriveAllowPolicy)"
                allow = {"redrivePermission": "byQueue", "sourceQueueArns": [*allowed, queue.arn]}
                fix = set_queue(dead.url, region, RedriveAllowPolicy=allow)
                yield DEAD_LETTERS.wrong(message, fix)
            if dead_letters := dead.number("ApproximateNumberOfMessages"):
                yield DEAD_LETTERS.note(
                    f"{dead_letters:,} dead letters wait", "ses-worker dlq list"
                )


def _keeping(queue: QueueFacts, dead: QueueFacts, region: str) -> Iterator[Finding]:
    theirs = dead.number("MessageRetentionPeriod", _DEFAULT_RETENTION_SECONDS)
    ours = queue.number("MessageRetentionPeriod", _DEFAULT_RETENTION_SECONDS)
    if theirs > ours:
        return
    message = (
        f"{dead.name} keeps dead letters for {days(theirs)}, {queue.name} for {days(ours)}: the "
        "clock began when it was first sent, so it may be deleted as soon as it arrives"
    )
    if theirs == LONGEST_RETENTION_SECONDS:
        shorter = str(_DEFAULT_RETENTION_SECONDS)
        fix = set_queue(queue.url, region, MessageRetentionPeriod=shorter)
        yield DEAD_LETTERS.note(message, fix)
        return
    longest = str(LONGEST_RETENTION_SECONDS)
    yield DEAD_LETTERS.wrong(message, set_queue(dead.url, region, MessageRetentionPeriod=longest))


def _allowed(dead: QueueFacts) -> list[str] | None:
    """The ARNs of the queues that may have it as theirs; None: all may."""
    try:
        policy: Any = json.loads(dead.text("RedriveAllowPolicy") or "{}")
        permission = policy.get("redrivePermission", "allowAll")
        if permission == "allowAll":
            return None
        return [str(item) for item in policy.get("sourceQueueArns", ())]
    except (ValueError, AttributeError, TypeError):
        return None  # SQS would not have taken it


def _fine(redrive: Redrive, dead: QueueFacts | Unknown | None) -> Finding:
    kept = ""
    if isinstance(dead, QueueFacts):
        seconds = dead.number("MessageRetentionPeriod", _DEFAULT_RETENTION_SECONDS)
        kept = f", kept for {days(seconds)}"
    return DEAD_LETTERS.ok(f"{redrive.target}, after {redrive.most_receives} receives{kept}")
