"""Topics, and their subscriptions that end in the queue.

https://docs.aws.amazon.com/ses/latest/dg/configure-sns-notifications.html and
https://docs.aws.amazon.com/sns/latest/api/API_GetSubscriptionAttributes.html
"""

from collections.abc import Iterator, Mapping, Sequence

from worker.checks.admission import SEND, SNS
from worker.checks.commands import (
    create_topic,
    get_subscription,
    provision,
    set_subscription,
    subscribe,
)
from worker.checks.facts import (
    Absent,
    Away,
    Blank,
    QueueFacts,
    SubscriptionFacts,
    TopicFacts,
    Unseen,
    read_arn,
)
from worker.checks.filters import judge_filter
from worker.checks.findings import Check, Finding
from worker.checks.statements import Caller, Verdict, judge, read_policy

TOPIC, SUBSCRIPTION = Check("topic"), Check("subscription")
SES = "ses.amazonaws.com"
PUBLISH = "sns:Publish"


def judge_topic(arn: str, topic: TopicFacts | Blank, queue: QueueFacts) -> list[Finding]:
    """Judge a topic: that it is there, and that SES may publish to it."""
    match topic:
        case Absent():
            return [TOPIC.wrong(f"{arn}: there is no such topic", create_topic(queue.arn, arn))]
        case Unseen(action):
            return [TOPIC.unseen(f"{arn}: {action} is not permitted")]
        case Away(error):
            return [TOPIC.wrong(f"{arn}: {error}", "see that SNS can be reached")]
    if arn.endswith(".fifo"):
        said = f"{arn}: SES publishes to standard topics only"
        return [TOPIC.wrong(said, provision(queue.arn, arn.removesuffix(".fifo")))]
    return [_publishing(arn, topic, queue)]


def judge_subscriptions(
    topic: str,
    subscriptions: Sequence[SubscriptionFacts] | Blank,
    queue: QueueFacts,
    dead: QueueFacts | None,
    *,
    wants_topics: bool,
) -> list[Finding]:
    """Judge what of a topic ends in the queue.

    `dead` is the dead-letter queue, if it could be seen; `wants_topics`: `sns.topic_arns` is set.
    """
    match subscriptions:
        case Absent():
            return [SUBSCRIPTION.skipped(f"{topic} does not exist")]
        case Unseen(action):
            return [SUBSCRIPTION.unseen(f"of {topic}: {action} is not permitted")]
        case Away(error):
            return [SUBSCRIPTION.wrong(f"of {topic}: {error}", "see that SNS can be reached")]
    if not subscriptions:
        said = f"{topic} has no subscription that ends in {queue.arn}: nothing arrives"
        return [SUBSCRIPTION.wrong(said, subscribe(queue.arn, topic))]
    return [
        finding
        for one in subscriptions
        for finding in _judge(topic, one, queue, dead, wants_topics=wants_topics)
    ]


def is_redriven(
    subscriptions: Sequence[SubscriptionFacts] | Blank, dead: QueueFacts | None
) -> bool:
    """Tell whether SNS puts what it cannot deliver into the dead-letter queue."""
    seen = subscriptions if isinstance(subscriptions, Sequence) else ()
    return dead is not None and any(
        isinstance(one.attributes, Mapping) and dead.arn in one.attributes.get("RedrivePolicy", "")
        for one in seen
    )


def judge_no_topic(queue: QueueFacts) -> Finding:
    """Say that nobody knows of a topic: no setting, no policy, no subscription."""
    said = f"no topic is known: none in sns.topic_arns, none that ends in {queue.name}"
    return SUBSCRIPTION.wrong(said, provision(queue.name))


def _publishing(arn: str, topic: TopicFacts, queue: QueueFacts) -> Finding:
    statements = read_policy(topic.attributes.get("Policy", ""))
    own = read_arn(queue.arn)
    caller = Caller(service=SES, account=own.account if own else "")
    verdict = Verdict.PERHAPS if statements is None else judge(statements, caller, PUBLISH, arn)
    match verdict:
        case Verdict.YES:
            return TOPIC.ok(f"{arn}: SES may publish to it")
        case Verdict.NO:
            said = f"{arn}: its policy does not let SES publish; SES drops a topic that it may not"
            elsewhere = f"let ses.amazonaws.com sns:Publish in the policy of {arn}"
            return TOPIC.wrong(said, provision(queue.arn, arn, elsewhere=elsewhere))
        case Verdict.DENIED:
            said = f"{arn}: a Deny in its policy keeps SES out"
            return TOPIC.wrong(said, "take that statement out of the topic's policy")
    return TOPIC.unseen(f"{arn}: whether SES may publish depends on what is not judged here")


def _judge(
    topic: str,
    one: SubscriptionFacts,
    queue: QueueFacts,
    dead: QueueFacts | None,
    *,
    wants_topics: bool,
) -> Iterator[Finding]:
    match one.attributes:
        case Absent():
            yield SUBSCRIPTION.wrong(f"of {topic}: {one.arn}", subscribe(queue.arn, topic))
        case Unseen(action):
            said = f"{one.arn}: there; raw delivery, filter and redrive not seen: {action}"
            yield SUBSCRIPTION.unseen(f"{said} is not permitted")
        case Away(error):
            yield SUBSCRIPTION.wrong(f"{one.arn}: {error}", "see that SNS can be reached")
        case attributes:
            faults = [*_faults(topic, one.arn, attributes, wants_topics=wants_topics)]
            if lost := _lost(topic, attributes, dead):
                faults.append(SUBSCRIPTION.note(f"{one.arn}: {lost}", provision(queue.arn, topic)))
            yield from faults or [SUBSCRIPTION.ok(_shown(one.arn, attributes))]


def _faults(
    topic: str,
    arn: str,
    attributes: Mapping[str, str],
    *,
    wants_topics: bool,
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
    if text := attributes.get("FilterPolicy", ""):
        yield from _filtered(arn, judge_filter(text, attributes.get("FilterPolicyScope", "")))


def _lost(topic: str, attributes: Mapping[str, str], dead: QueueFacts | None) -> str | None:
    """Say that SNS loses what it cannot deliver: a queue that is gone, or refuses."""
    redrive = attributes.get("RedrivePolicy", "")
    if attributes.get("PendingConfirmation") == "true":
        return None
    if not redrive:
        return "what SNS cannot deliver is lost, for it has no dead-letter queue of its own"
    found = read_arn(topic)
    caller = Caller(service=SNS, account=found.account if found else "", arn=topic)
    if dead is None or dead.arn not in redrive:  # a queue that we do not look at
        return None
    statements = read_policy(dead.text("Policy"))
    if statements is None or judge(statements, caller, SEND, dead.arn) not in {
        Verdict.NO,
        Verdict.DENIED,
    }:
        return None
    return f"what SNS cannot deliver is lost, for the policy of {dead.name} does not let it in"


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
