"""`ses-worker check`: checks the whole path from SES to the database, and changes nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from worker.app import make_store, region_of
from worker.aws import region_in
from worker.commands.check import gathering
from worker.commands.check.channels import check_channels
from worker.core.errors import Misconfigured, WorkerError
from worker.settings import Migrate, Settings
from worker.store.exposure import writable_by_all
from worker.store.rights import AccessProblem
from worker.topology import Aws, inspection
from worker.topology.checks import admission
from worker.topology.checks.account import ACCOUNT, judge_account
from worker.topology.checks.admission import judge_policy
from worker.topology.checks.clock import CLOCK, judge_clock
from worker.topology.checks.database import judge_database, judge_no_database
from worker.topology.checks.dead_letters import DEAD_LETTERS, judge_dead_letters
from worker.topology.checks.encryption import ENCRYPTION, judge_encryption
from worker.topology.checks.facts import QueueFacts, Unknown, account_in_arn
from worker.topology.checks.feedback import FEEDBACK, judge_feedback
from worker.topology.checks.findings import Check, Finding, Status
from worker.topology.checks.permissions import PERMISSIONS, judge_permissions
from worker.topology.checks.queue import QUEUE, judge_queue
from worker.topology.checks.region import judge_region
from worker.topology.checks.sending import senders, shapes
from worker.topology.checks.subscriptions import (
    SUBSCRIPTION,
    judge_no_topic,
    judge_subscriptions,
    judge_unlisted,
    redrives,
)
from worker.topology.checks.topic import TOPIC, judge_topic

LIMIT_SECONDS = 90
"""Time limit of all calls to AWS; SES, at a call a second, may take half of it."""
NEEDING_THE_QUEUE = (
    DEAD_LETTERS, admission.POLICY, PERMISSIONS, TOPIC, SUBSCRIPTION, FEEDBACK, ENCRYPTION,
)  # fmt: skip
"""Checks that are skipped if the queue is not found."""

_NO_QUEUE = "the queue must be found first"


class CheckOptions(Struct, frozen=True):
    """What the operator names besides the settings."""

    identities: Sequence[str] = ()
    configuration_sets: Sequence[str] = ()
    send: bool = False
    """Post a test notice."""


def look(settings: Settings, options: CheckOptions) -> Iterator[Finding]:
    """Yield findings as they are made.

    Raises:
        Misconfigured: no queue is set, or no region.

    """
    url = settings.queue.url
    if url is None:
        raise Misconfigured(settings.lack_of_queue)
    region = region_of(settings)
    settings_finding = judge_region(url, region, region_in(url))
    yield settings_finding
    yield _database(settings)
    if settings_finding.status is Status.WRONG:
        yield from _skipped(
            "AWS is called in the wrong region", QUEUE, CLOCK, *NEEDING_THE_QUEUE, ACCOUNT
        )
    else:
        yield from _on_aws(settings, options, Aws(region, limit_seconds=LIMIT_SECONDS), url)
    yield from check_channels(settings, send=options.send)


def _database(settings: Settings) -> Finding:
    from worker.store.migrate import status  # noqa: PLC0415 Alembic takes 0.3 s to load

    store = make_store(settings)
    try:
        found = status(store)
    except WorkerError as error:
        return judge_no_database(store.place, error, store.access_problem())
    return judge_database(
        store.place,
        found.revision,
        found.pending,
        newer=found.newer,
        created_at_start=settings.store.migrate is Migrate.AUTO,
        access_problem=store.access_problem() or _exposure(settings),
    )


def _exposure(settings: Settings) -> AccessProblem | None:
    scheme, _, path = settings.store.url.get_secret_value().partition(":///")
    return writable_by_all(Path(path)) if scheme == "sqlite" else None


def _on_aws(settings: Settings, options: CheckOptions, aws: Aws, url: str) -> Iterator[Finding]:
    queue = inspection.queue(aws, url)
    yield from judge_queue(
        queue,
        url,
        aws.region,
        visibility_seconds=settings.queue.visibility_seconds,
        wait_seconds=settings.queue.wait_seconds,
    )
    skew = aws.clock_skew.latest_seconds
    is_found = isinstance(queue, QueueFacts)
    # With a wrong clock SQS may refuse the call, but its answer still has a date.
    yield judge_clock(skew) if is_found or skew is not None else CLOCK.skipped(_NO_QUEUE)
    if isinstance(queue, QueueFacts):
        yield from _path_to_queue(settings, options, aws, queue)
    else:
        yield from _skipped(_NO_QUEUE, *NEEDING_THE_QUEUE, ACCOUNT)


def _path_to_queue(
    settings: Settings, options: CheckOptions, aws: Aws, queue: QueueFacts
) -> Iterator[Finding]:
    arns, unlisted = gathering.topics(aws, queue, settings.sns.topic_arns)
    dead = gathering.dead_letter_queue(aws, queue, settings.queue.dead_letter_url)
    yield from judge_dead_letters(
        queue,
        dead,
        region=aws.region,
        dead_letter_url=settings.queue.dead_letter_url,
        url_region=region_in(settings.queue.dead_letter_url or ""),
        topic=arns[0] if arns else "",
    )
    if arns or unlisted is None:
        yield from judge_policy(queue, arns)
    yield judge_permissions(queue)
    topics = {arn: inspection.topic(aws, arn) for arn in arns}
    dead_letters: dict[str, QueueFacts | Unknown] = (
        {dead.arn: dead} if isinstance(dead, QueueFacts) else {}
    )
    facts = (
        gathering.feedback(aws, arns, options.identities, options.configuration_sets)
        if arns
        else None
    )
    redriven: list[str] = []
    for arn, observed in topics.items():
        yield from judge_topic(
            arn, observed, queue, senders(facts, arn, account_in_arn(queue.arn)) if facts else ()
        )
        subscriptions = inspection.subscriptions(aws, arn, queue.arn)
        redriven += redrives(subscriptions)
        dead_letters |= gathering.dead_letters(
            aws, queue, [name for name in redriven if name not in dead_letters]
        )
        yield from judge_subscriptions(
            arn,
            subscriptions,
            queue,
            dead_letters,
            requires_topic=bool(settings.sns.topic_arns),
            shapes=shapes(facts, arn) if facts else (),
        )
    if unlisted is not None:
        yield judge_unlisted(unlisted)
    if facts is not None:
        yield from judge_feedback(facts, arns, queue)
    elif unlisted is not None:
        yield from _skipped("no topic is known: set sns.topic_arns", admission.POLICY)
    else:
        yield judge_no_topic(queue)
    if not arns:
        yield from _skipped("no topic is known", TOPIC, FEEDBACK)
    examined_queues = (dead_letters.get(name) for name in dict.fromkeys(redriven))
    fed = [queue, *(item for item in examined_queues if isinstance(item, QueueFacts))]
    yield from judge_encryption(*gathering.encrypted(aws, fed, topics))
    removes = bool(settings.suppression.remove)
    yield from judge_account(inspection.account(aws), aws.region, removes=removes)


def _skipped(why: str, *checks: Check) -> Iterator[Finding]:
    return (check.skipped(why) for check in checks)
