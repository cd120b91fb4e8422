"""Subscriptions of topics that end in the queue.

https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from worker.topology.checks.admission import SEND, SNS
from worker.topology.checks.commands import get_subscription, provision, set_subscription, subscribe
from worker.topology.checks.facts import (
    Absent,
    NotPermitted,
    QueueFacts,
    SubscriptionFacts,
    Unknown,
    Unreachable,
    account_in_arn,
    read_arn,
)
from worker.topology.checks.filters import judge_filter
from worker.topology.checks.findings import Check, Finding
from worker.topology.checks.statements import Caller, Verdict, judge, read_policy

SUBSCRIPTION = Check("subscription")
_BY_HAND = (
    "make a queue where the topic is, let the topic in, and name it in the subscription's "
    "RedrivePolicy"
)


def judge_subscriptions(
    topic: str,
    subscriptions: Sequence[SubscriptionFacts] | Unknown,
    queue: QueueFacts,
    dead: Mapping[str, QueueFacts | Unknown],
    *,
    wants_topics: bool,
    shapes: Sequence[str] = (),
) -> list[Finding]:
    """Judge what of a topic ends in the queue.

    `dead` are the queues that were looked at, by ARN, for what SNS cannot deliver; `wants_topics`:
    `sns.topic_arns` is set; `shapes`: what SES sends to the topic, as `judge_filter` has it.
    """
    match subscriptions:
        case Absent():
            return [SUBSCRIPTION.skipped(f"{topic} does not exist")]
        case NotPermitted() | Unreachable() as why:
            return [SUBSCRIPTION.blind(f"of {topic}", why)]
    if not subscriptions:
        message = f"{topic} has no subscription that ends in {queue.arn}: nothing arrives"
        return [SUBSCRIPTION.wrong(message, subscribe(queue.arn, topic))]
    return [
        finding
        for subscription in subscriptions
        for finding in _judge(
            topic, subscription, queue, dead, wants_topics=wants_topics, shapes=shapes
        )
    ]


def redrives(subscriptions: Sequence[SubscriptionFacts] | Unknown) -> list[str]:
    """The ARNs of the queues that SNS puts into what it cannot deliver."""
    observed = subscriptions if isinstance(subscriptions, Sequence) else ()
    found = (
        redrive_of(item.attributes) for item in observed if isinstance(item.attributes, Mapping)
    )
    return list(dict.fromkeys(filter(None, found)))


def redrive_of(attributes: Mapping[str, str]) -> str:
    """The ARN in a subscription's redrive policy; empty where it has none."""
    try:
        return str(json.loads(attributes.get("RedrivePolicy") or "{}")["deadLetterTargetArn"])
    except (ValueError, TypeError, KeyError):
        return ""


def judge_no_topic(queue: QueueFacts) -> Finding:
    """Report that nobody knows of a topic: no setting, no policy, no subscription."""
    message = f"no topic is known: none in sns.topic_arns, none that ends in {queue.name}"
    return SUBSCRIPTION.wrong(message, provision(queue.name))


def judge_unlisted(unknown: Unknown) -> Finding:
    """Report that topics known only by their subscriptions are unknown."""
    match unknown:
        case NotPermitted() | Unreachable() as why:
            return SUBSCRIPTION.blind("of topics that nobody names", why)
        case Absent(message):
            return SUBSCRIPTION.wrong(f"SNS: {message}", "see that SNS can be reached")


def _judge(
    topic: str,
    subscription: SubscriptionFacts,
    queue: QueueFacts,
    dead: Mapping[str, QueueFacts | Unknown],
    *,
    wants_topics: bool,
    shapes: Sequence[str],
) -> Iterator[Finding]:
    match subscription.attributes:
        case Absent():
            yield SUBSCRIPTION.wrong(f"of {topic}: {subscription.arn}", subscribe(queue.arn, topic))
        case NotPermitted() | Unreachable() as why:
            yield SUBSCRIPTION.blind(
                f"{subscription.arn}: there; raw delivery, filter and redrive", why
            )
        case attributes:
            faults = [
                *_faults(
                    topic, subscription.arn, attributes, wants_topics=wants_topics, shapes=shapes
                ),
                *_lost(topic, subscription.arn, attributes, queue, dead),
            ]
            yield from faults or [SUBSCRIPTION.ok(_shown(subscription.arn, attributes))]


def _faults(
    topic: str,
    arn: str,
    attributes: Mapping[str, str],
    *,
    wants_topics: bool,
    shapes: Sequence[str],
) -> Iterator[Finding]:
    if attributes.get("PendingConfirmation") == "true" or not read_arn(arn):
        message = f"the subscription of {topic} waits for its confirmation: nothing arrives"
        fix = "confirm it with the token in: ses-worker dlq list --reason subscription_confirmation"
        yield SUBSCRIPTION.wrong(message, fix)
        return
    if wants_topics and _is_raw(attributes):
        message = (
            f"{arn} delivers raw, without an envelope that names the topic: sns.topic_arns refuses"
        )
        yield SUBSCRIPTION.wrong(message, set_subscription(arn, "RawMessageDelivery", "false"))
    scope = attributes.get("FilterPolicyScope", "")
    if text := attributes.get("FilterPolicy", ""):
        yield from _filtered(arn, judge_filter(text, scope, shapes))


def _lost(
    topic: str,
    arn: str,
    attributes: Mapping[str, str],
    queue: QueueFacts,
    dead: Mapping[str, QueueFacts | Unknown],
) -> Iterator[Finding]:
    """Report where SNS loses undeliverable messages: no queue, a missing or a refusing queue."""
    if attributes.get("PendingConfirmation") == "true":
        return
    target, why = redrive_of(attributes), ""
    match dead.get(target):
        case _ if not target:
            why = "it has no dead-letter queue of its own"
        case None:
            message = f"{arn}: what SNS cannot deliver goes to {target}, which was not looked at"
            yield SUBSCRIPTION.unknown(message)
        case Absent():
            why = f"{target} does not exist"
        case NotPermitted() | Unreachable() as unknown:
            yield SUBSCRIPTION.blind(f"{arn}: what SNS cannot deliver goes to {target}", unknown)
        case QueueFacts() as dead_letters:
            statements = read_policy(dead_letters.text("Policy"))
            caller = Caller(service=SNS, account=account_in_arn(topic), arn=topic)
            verdict = judge(statements, caller, SEND, target) if statements is not None else None
            if verdict in {Verdict.NO, Verdict.DENIED}:
                why = f"the policy of {dead_letters.name} does not let it in"
    if why:
        message = f"{arn}: what SNS cannot deliver is lost, for {why}"
        yield SUBSCRIPTION.note(message, provision(queue.arn, topic, elsewhere=_BY_HAND))


def _filtered(arn: str, lost: Sequence[str] | None) -> Iterator[Finding]:
    if lost is None:
        message = f"{arn} has a filter policy that is not judged here: see that bounces pass"
        yield SUBSCRIPTION.note(message, get_subscription(arn))
    elif lost:
        message = f"the filter policy of {arn} holds back {' and '.join(lost)}"
        yield SUBSCRIPTION.wrong(message, set_subscription(arn, "FilterPolicy", "{}"))


def _is_raw(attributes: Mapping[str, str]) -> bool:
    return attributes.get("RawMessageDelivery") == "true"


def _shown(arn: str, attributes: Mapping[str, str]) -> str:
    form = "raw" if _is_raw(attributes) else "in SNS's envelope"
    some = "what its filter lets through" if attributes.get("FilterPolicy") else "everything"
    return f"{arn}: {some}, {form}; what cannot be delivered is kept"
