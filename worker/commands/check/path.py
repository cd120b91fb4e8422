"""The checks of the AWS side: queue, dead-letter queue, policies, topics, SES, keys."""

from collections.abc import Generator, Iterator, Mapping, Sequence

from msgspec import Struct

from worker.aws import region_in
from worker.commands.check import gathering
from worker.settings import Settings
from worker.topology import Aws, inspection
from worker.topology.checks import admission
from worker.topology.checks.account import ACCOUNT, judge_account
from worker.topology.checks.admission import (
    judge_dead_letter_policy,
    judge_policy,
    rules_let_in,
)
from worker.topology.checks.clock import CLOCK, judge_clock
from worker.topology.checks.dead_letters import DEAD_LETTERS, judge_dead_letters
from worker.topology.checks.encryption import ENCRYPTION, judge_encryption
from worker.topology.checks.eventbridge import (
    EVENTBRIDGE,
    Accepting,
    bus_of,
    judge_eventbridge,
)
from worker.topology.checks.facts import (
    EventBridgeFacts,
    FeedbackFacts,
    QueueFacts,
    TopicFacts,
    Unknown,
    account_in_arn,
)
from worker.topology.checks.feedback import FEEDBACK, judge_feedback
from worker.topology.checks.findings import Check, Finding
from worker.topology.checks.permissions import PERMISSIONS, judge_permissions
from worker.topology.checks.queue import judge_queue
from worker.topology.checks.sending import senders, shapes
from worker.topology.checks.subscriptions import (
    SUBSCRIPTION,
    judge_no_topic,
    judge_subscriptions,
    judge_unlisted,
    redrives,
)
from worker.topology.checks.topic import TOPIC, judge_topic

NEEDING_THE_QUEUE = (
    DEAD_LETTERS, admission.POLICY, PERMISSIONS, TOPIC, SUBSCRIPTION, FEEDBACK, EVENTBRIDGE,
    ENCRYPTION,
)  # fmt: skip
"""Checks that are skipped if the queue is not found."""
_NO_QUEUE = "the queue must be found first"


class CheckOptions(Struct, frozen=True):
    """What the operator names besides the settings."""

    identities: Sequence[str] = ()
    configuration_sets: Sequence[str] = ()
    send: bool = False
    """Post a test notice."""
    eventbridge: bool = False
    """EventBridge should feed the queue: that no rule does is wrong."""
    certificate: str = ""
    """The address of a certificate of SNS, to fetch and check."""
    report: bool = False
    """Also ask SES how much was sent, as `report --ses` does."""


def on_aws(settings: Settings, options: CheckOptions, aws: Aws, url: str) -> Iterator[Finding]:
    """Check the queue, and all that depends on it."""
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
        yield from skipped(_NO_QUEUE, *NEEDING_THE_QUEUE, ACCOUNT)


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
    bridge = gathering.eventbridge(aws, queue, arns, is_expected=options.eventbridge)
    rules = [
        *bridge.senders_to(queue.arn),
        *(arn for arn in rules_let_in(queue) if arn in bridge.rules),
    ]
    rules = list(dict.fromkeys(rules))
    awaits_rule = options.eventbridge and not (arns or rules)
    if not awaits_rule and (arns or rules or unlisted is None):
        yield from judge_policy(queue, arns, rules)
    if isinstance(dead, QueueFacts):
        yield from judge_dead_letter_policy(dead, [*arns, *rules])
    yield judge_permissions(queue)
    topics = {arn: inspection.topic(aws, arn) for arn in arns}
    publishers = [*arns, *([bus_of(queue)] if bridge.rules else [])]
    facts = (
        gathering.feedback(aws, publishers, options.identities, options.configuration_sets)
        if publishers
        else None
    )
    requires_topic = bool(settings.sns.topic_arns)
    undeliverable = yield from _topics(
        aws, queue, dead, topics, bridge, facts=facts, requires_topic=requires_topic
    )
    if rules and not arns:
        yield from skipped("EventBridge feeds the queue, and no topic does", TOPIC, SUBSCRIPTION)
    if awaits_rule:
        why = "EventBridge is to feed the queue, and no rule does"
        yield from skipped(why, admission.POLICY, TOPIC, SUBSCRIPTION, FEEDBACK)
    else:
        yield from _feedback(facts, unlisted, publishers, queue)
    accept = settings.eventbridge.accept.value
    acceptance = settings.as_policy().acceptance
    yield from judge_eventbridge(bridge, queue, arns, dead, Accepting(acceptance, accept))
    yield from judge_encryption(*gathering.encrypted(aws, [queue, *undeliverable], topics, rules))
    removes = bool(settings.suppression.remove)
    yield from judge_account(inspection.account(aws), aws.region, removes=removes)


def _topics(
    aws: Aws,
    queue: QueueFacts,
    dead: QueueFacts | Unknown | None,
    topics: Mapping[str, TopicFacts | Unknown],
    bridge: EventBridgeFacts,
    *,
    facts: FeedbackFacts | None,
    requires_topic: bool,
) -> Generator[Finding, None, list[QueueFacts]]:
    """Check each topic and its subscriptions; return the queues for what SNS cannot deliver."""
    account = account_in_arn(queue.arn)
    queues: dict[str, QueueFacts | Unknown] = (
        {dead.arn: dead} if isinstance(dead, QueueFacts) else {}
    )
    named: list[str] = []
    for arn, topic in topics.items():
        published = senders(facts, arn, account) if facts else ()
        yield from judge_topic(arn, topic, queue, published, bridge.senders_to(arn))
        subscriptions = inspection.subscriptions(aws, arn, queue.arn)
        named += redrives(subscriptions)
        missing = [name for name in named if name not in queues]
        queues |= gathering.dead_letters(aws, queue, missing)
        yield from judge_subscriptions(
            arn,
            subscriptions,
            queue,
            queues,
            requires_topic=requires_topic,
            shapes=shapes(facts, arn) if facts else (),
        )
    found = (queues.get(name) for name in dict.fromkeys(named))
    return [item for item in found if isinstance(item, QueueFacts)]


def _feedback(
    facts: FeedbackFacts | None, unlisted: Unknown | None, arns: Sequence[str], queue: QueueFacts
) -> Iterator[Finding]:
    if unlisted is not None:
        yield judge_unlisted(unlisted)
    if facts is not None:
        yield from judge_feedback(facts, arns, queue)
        return
    if unlisted is not None:
        yield from skipped("no topic is known: set sns.topic_arns", admission.POLICY)
    else:
        yield judge_no_topic(queue)
    yield from skipped("no topic is known", TOPIC, FEEDBACK)


def skipped(why: str, *checks: Check) -> Iterator[Finding]:
    """Report checks as skipped."""
    return (check.skipped(why) for check in checks)
