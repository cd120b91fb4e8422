"""Subscriptions of the queue to topics.

https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html
"""

from collections.abc import Iterator, Mapping, Sequence

from worker.sqs.redrive import read_redrive_policy
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
    "create a queue in the topic's account and region, admit the topic in its policy, and name it "
    "in the subscription's RedrivePolicy"
)


def judge_subscriptions(
    topic: str,
    subscriptions: Sequence[SubscriptionFacts] | Unknown,
    queue: QueueFacts,
    dead: Mapping[str, QueueFacts | Unknown],
    *,
    requires_topic: bool,
    shapes: Sequence[str] = (),
) -> list[Finding]:
    """Judge the subscriptions of the queue to a topic.

    `dead`: the queues for messages that SNS cannot deliver, by ARN; `requires_topic`: the setting
    `sns.topic_arns` is not empty; `shapes`: those that SES sends to the topic, for `judge_filter`.
    """
    match subscriptions:
        case Absent():
            return [SUBSCRIPTION.skipped(f"{topic} does not exist")]
        case NotPermitted() | Unreachable() as why:
            return [SUBSCRIPTION.blind(f"subscriptions of {topic}", why)]
    if not subscriptions:
        message = f"{topic} has no subscription of {queue.arn}: no message arrives"
        return [SUBSCRIPTION.wrong(message, subscribe(queue.arn, topic))]
    return [
        finding
        for subscription in subscriptions
        for finding in _judge(
            topic, subscription, queue, dead, requires_topic=requires_topic, shapes=shapes
        )
    ]


def redrives(subscriptions: Sequence[SubscriptionFacts] | Unknown) -> list[str]:
    """The ARNs of the queues that receive what SNS cannot deliver."""
    known = subscriptions if isinstance(subscriptions, Sequence) else ()
    targets = (_target(item.attributes) for item in known if isinstance(item.attributes, Mapping))
    return list(dict.fromkeys(filter(None, targets)))


def _target(attributes: Mapping[str, str]) -> str:
    redrive = read_redrive_policy(attributes.get("RedrivePolicy", ""))
    return redrive.target if redrive else ""


def judge_no_topic(queue: QueueFacts) -> Finding:
    """Report that no topic is known: by no setting, no policy, no subscription."""
    message = (
        f"no topic is known: sns.topic_arns is empty, and no topic is subscribed by {queue.name}"
    )
    return SUBSCRIPTION.wrong(message, provision(queue.name, identity="YOUR-DOMAIN"))


def judge_unlisted(unknown: Unknown) -> Finding:
    """Report that the subscriptions could not be listed, by which other topics are found."""
    match unknown:
        case NotPermitted() | Unreachable() as why:
            return SUBSCRIPTION.blind("subscriptions of topics not in sns.topic_arns", why)
        case Absent(message):
            return SUBSCRIPTION.wrong(f"SNS: {message}", "check the network and the region")


def _judge(
    topic: str,
    subscription: SubscriptionFacts,
    queue: QueueFacts,
    dead: Mapping[str, QueueFacts | Unknown],
    *,
    requires_topic: bool,
    shapes: Sequence[str],
) -> Iterator[Finding]:
    match subscription.attributes:
        case Absent():
            message = f"{topic}: its subscription {subscription.arn} does not exist"
            yield SUBSCRIPTION.wrong(message, subscribe(queue.arn, topic))
        case NotPermitted() | Unreachable() as why:
            yield SUBSCRIPTION.blind(
                f"{subscription.arn}: raw delivery, filter policy and redrive policy", why
            )
        case attributes:
            faults = [
                *_faults(
                    topic,
                    subscription.arn,
                    attributes,
                    requires_topic=requires_topic,
                    shapes=shapes,
                ),
                *_lost(topic, subscription.arn, attributes, queue, dead),
            ]
            yield from faults or [SUBSCRIPTION.ok(_shown(subscription.arn, attributes))]


def _faults(
    topic: str,
    arn: str,
    attributes: Mapping[str, str],
    *,
    requires_topic: bool,
    shapes: Sequence[str],
) -> Iterator[Finding]:
    if attributes.get("PendingConfirmation") == "true" or not read_arn(arn):
        message = f"the subscription of {topic} is not confirmed: no message arrives"
        fix = (
            "ses-worker subscription confirm MESSAGE_ID, with the id of the dead letter: "
            "ses-worker dlq list --reason subscription_confirmation"
        )
        yield SUBSCRIPTION.wrong(message, fix)
        return
    if requires_topic and _is_raw(attributes):
        message = (
            f"{arn} delivers raw, without the envelope that names the topic: sns.topic_arns "
            "dead-letters every message"
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
    """Report that SNS loses what it cannot deliver: no queue for it, or SNS cannot send to it."""
    if attributes.get("PendingConfirmation") == "true":
        return
    target, why = _target(attributes), ""
    match dead.get(target):
        case _ if not target:
            why = "it has no dead-letter queue of its own"
        case None:
            message = f"{arn}: what SNS cannot deliver goes to {target}, which was not checked"
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
                why = f"the policy of {dead_letters.name} does not admit the topic"
    if why:
        message = f"{arn}: what SNS cannot deliver is lost, because {why}"
        yield SUBSCRIPTION.note(message, provision(queue.arn, topic, elsewhere=_BY_HAND))


def _filtered(arn: str, lost: Sequence[str] | None) -> Iterator[Finding]:
    if lost is None:
        message = (
            f"{arn} has a filter policy that check cannot evaluate: make sure that bounces pass"
        )
        yield SUBSCRIPTION.note(message, get_subscription(arn))
    elif lost:
        message = f"the filter policy of {arn} blocks {' and '.join(lost)}"
        yield SUBSCRIPTION.wrong(message, set_subscription(arn, "FilterPolicy", "{}"))


def _is_raw(attributes: Mapping[str, str]) -> bool:
    return attributes.get("RawMessageDelivery") == "true"


def _shown(arn: str, attributes: Mapping[str, str]) -> str:
    form = "raw" if _is_raw(attributes) else "in SNS's envelope"
    some = "what its filter lets through" if attributes.get("FilterPolicy") else "everything"
    return f"{arn}: {some}, {form}; what cannot be delivered is kept"
