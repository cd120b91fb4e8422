"""Subscriptions of topics that end in the queue.

https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html
"""

import json
from collections.abc import Iterator, Mapping, Sequence

from worker.checks.admission import SEND, SNS
from worker.checks.commands import get_subscription, provision, set_subscription, subscribe
from worker.checks.facts import (
    Absent,
    Away,
    Blank,
    QueueFacts,
    SubscriptionFacts,
    Unseen,
    account_in_arn,
    read_arn,
)
from worker.checks.filters import judge_filter
from worker.checks.findings import Check, Finding
from worker.checks.statements import Caller, Verdict, judge, read_policy

SUBSCRIPTION = Check("subscription")
_BY_HAND = (
    "make a queue where the topic is, let the topic in, and name it in the subscription's "
    "RedrivePolicy"
)


def judge_subscriptions(
    topic: str,
    subscriptions: Sequence[SubscriptionFacts] | Blank,
    queue: QueueFacts,
    dead: Mapping[str, QueueFacts | Blank],
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
        case Unseen() | Away() as why:
            return [SUBSCRIPTION.blind(f"of {topic}", why)]
    if not subscriptions:
        said = f"{topic} has no subscription that ends in {queue.arn}: nothing arrives"
        return [SUBSCRIPTION.wrong(said, subscribe(queue.arn, topic))]
    return [
        finding
        for one in subscriptions
        for finding in _judge(topic, one, queue, dead, wants_topics=wants_topics, shapes=shapes)
    ]


def redrives(subscriptions: Sequence[SubscriptionFacts] | Blank) -> list[str]:
    """The ARNs of the queues that SNS puts into what it cannot deliver."""
    seen = subscriptions if isinstance(subscriptions, Sequence) else ()
    found = (redrive_of(one.attributes) for one in seen if isinstance(one.attributes, Mapping))
    return list(dict.fromkeys(filter(None, found)))


def redrive_of(attributes: Mapping[str, str]) -> str:
    """The ARN in a subscription's redrive policy; empty where it has none."""
    try:
        return str(json.loads(attributes.get("RedrivePolicy") or "{}")["deadLetterTargetArn"])
    except (ValueError, TypeError, KeyError):
        return ""


def judge_no_topic(queue: QueueFacts) -> Finding:
    """Say that nobody knows of a topic: no setting, no policy, no subscription."""
    said = f"no topic is known: none in sns.topic_arns, none that ends in {queue.name}"
    return SUBSCRIPTION.wrong(said, provision(queue.name))


def judge_unlisted(blank: Blank) -> Finding:
    """Say that topics which only their subscriptions tell of are not known."""
    match blank:
        case Unseen() | Away() as why:
            return SUBSCRIPTION.blind("of topics that nobody names", why)
        case Absent(said):
            return SUBSCRIPTION.wrong(f"SNS: {said}", "see that SNS can be reached")


def _judge(
    topic: str,
    one: SubscriptionFacts,
    queue: QueueFacts,
    dead: Mapping[str, QueueFacts | Blank],
    *,
    wants_topics: bool,
    shapes: Sequence[str],
) -> Iterator[Finding]:
    match one.attributes:
        case Absent():
            yield SUBSCRIPTION.wrong(f"of {topic}: {one.arn}", subscribe(queue.arn, topic))
        case Unseen() | Away() as why:
            yield SUBSCRIPTION.blind(f"{one.arn}: there; raw delivery, filter and redrive", why)
        case attributes:
            faults = [
                *_faults(topic, one.arn, attributes, wants_topics=wants_topics, shapes=shapes),
                *_lost(topic, one.arn, attributes, queue, dead),
            ]
            yield from faults or [SUBSCRIPTION.ok(_shown(one.arn, attributes))]


def _faults(
    topic: str,
    arn: str,
    attributes: Mapping[str, str],
    *,
    wants_topics: bool,
    shapes: Sequence[str],
) -> Iterator[Finding]:
    if attributes.get("PendingConfirmation") == "true" or not read_arn(arn):
        said = f"the subscription of {topic} waits for its confirmation: nothing arrives"
        mend = (
            "confirm it with the token in: ses-worker dlq list --reason subscription_confirmation"
        )
        yield SUBSCRIPTION.wrong(said, mend)
        return
    if wants_topics and _is_raw(attributes):
        said = (
            f"{arn} delivers raw, without an envelope that names the topic: sns.topic_arns refuses"
        )
        yield SUBSCRIPTION.wrong(said, set_subscription(arn, "RawMessageDelivery", "false"))
    scope = attributes.get("FilterPolicyScope", "")
    if text := attributes.get("FilterPolicy", ""):
        yield from _filtered(arn, judge_filter(text, scope, shapes))


def _lost(
    topic: str,
    arn: str,
    attributes: Mapping[str, str],
    queue: QueueFacts,
    dead: Mapping[str, QueueFacts | Blank],
) -> Iterator[Finding]:
    """Say that SNS loses what it cannot deliver: no queue for it, one that is gone, or refuses."""
    if attributes.get("PendingConfirmation") == "true":
        return
    target, why = redrive_of(attributes), ""
    match dead.get(target):
        case _ if not target:
            why = "it has no dead-letter queue of its own"
        case None:
            said = f"{arn}: what SNS cannot deliver goes to {target}, which was not looked at"
            yield SUBSCRIPTION.unseen(said)
        case Absent():
            why = f"{target} does not exist"
        case Unseen() | Away() as blank:
            yield SUBSCRIPTION.blind(f"{arn}: what SNS cannot deliver goes to {target}", blank)
        case QueueFacts() as letters:
            statements = read_policy(letters.text("Policy"))
            caller = Caller(service=SNS, account=account_in_arn(topic), arn=topic)
            verdict = judge(statements, caller, SEND, target) if statements is not None else None
            if verdict in {Verdict.NO, Verdict.DENIED}:
                why = f"the policy of {letters.name} does not let it in"
    if why:
        said = f"{arn}: what SNS cannot deliver is lost, for {why}"
        yield SUBSCRIPTION.note(said, provision(queue.arn, topic, elsewhere=_BY_HAND))


def _filtered(arn: str, lost: Sequence[str] | None) -> Iterator[Finding]:
    if lost is None:
        said = f"{arn} has a filter policy that is not judged here: see that bounces pass"
        yield SUBSCRIPTION.note(said, get_subscription(arn))
    elif lost:
        said = f"the filter policy of {arn} holds back {' and '.join(lost)}"
        yield SUBSCRIPTION.wrong(said, set_subscription(arn, "FilterPolicy", "{}"))


def _is_raw(attributes: Mapping[str, str]) -> bool:
    return attributes.get("RawMessageDelivery") == "true"


def _shown(arn: str, attributes: Mapping[str, str]) -> str:
    form = "raw" if _is_raw(attributes) else "in SNS's envelope"
    some = "what its filter lets through" if attributes.get("FilterPolicy") else "everything"
    return f"{arn}: {some}, {form}; what cannot be delivered is kept"
