"""Reads queues, topics, SES, rules and keys; changes nothing."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from worker.topology.aws import Aws, known
from worker.topology.checks.facts import (
    Absent,
    DestinationFacts,
    IdentityFacts,
    KeyFacts,
    QueueFacts,
    RuleFacts,
    SubscriptionFacts,
    TargetFacts,
    TopicFacts,
    Unknown,
    read_arn,
    region_in_arn,
)

MOST_SETS = 20
"""Configuration sets that are read if none is named: each takes a call, one a second at SES."""
IDENTITIES_A_CALL = 100
"""https://docs.aws.amazon.com/ses/latest/APIReference/API_GetIdentityNotificationAttributes.html"""
MOST_IDENTITIES = 1_000
"""Identities that are read: as many as a single call lists; more would take minutes."""


def queue(aws: Aws, url: str) -> QueueFacts | Unknown:
    """Read a queue."""

    def look() -> QueueFacts:
        answer = aws.ask("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
        return QueueFacts(url, answer.get("Attributes", {}))

    return known("sqs", look)


def queue_url(aws: Aws, name: str) -> str | Unknown:
    """Find a queue of our account by its name."""
    return known("sqs", lambda: str(aws.ask("sqs", "get_queue_url", QueueName=name)["QueueUrl"]))


def topic(aws: Aws, arn: str) -> TopicFacts | Unknown:
    """Read a topic, in its own region."""

    def look() -> TopicFacts:
        answer = aws.ask("sns", "get_topic_attributes", at=region_in_arn(arn), TopicArn=arn)
        return TopicFacts(arn, answer.get("Attributes", {}))

    return known("sns", look)


def topics_subscribed(aws: Aws, queue_arn: str) -> list[str] | Unknown:
    """The topics to which the queue is subscribed, in this account and region."""

    def look() -> list[str]:
        every = aws.pages("sns", "list_subscriptions", "Subscriptions")
        found = (item["TopicArn"] for item in every if _ends_in(item, queue_arn))
        return list(dict.fromkeys(found))

    return known("sns", look)


def subscriptions(
    aws: Aws, topic_arn: str, queue_arn: str
) -> tuple[SubscriptionFacts, ...] | Unknown:
    """The queue's subscriptions to a topic, with their attributes."""

    def look() -> tuple[SubscriptionFacts, ...]:
        every = aws.pages(
            "sns",
            "list_subscriptions_by_topic",
            "Subscriptions",
            at=region_in_arn(topic_arn),
            TopicArn=topic_arn,
        )
        return tuple(
            SubscriptionFacts(item["SubscriptionArn"], _subscription(aws, item))
            for item in every
            if _ends_in(item, queue_arn) and item.get("Protocol") == "sqs"
        )

    return known("sns", look)


def identities(aws: Aws, names: Sequence[str] = ()) -> tuple[IdentityFacts, ...] | Unknown:
    """Read where SES sends the notifications of identities: the named ones, else all."""

    def look() -> tuple[IdentityFacts, ...]:
        listed = aws.pages("ses", "list_identities", "Identities", MaxItems=MOST_IDENTITIES)
        every = names or list(islice(listed, MOST_IDENTITIES))
        found: dict[str, Mapping[str, str]] = {}
        for start in range(0, len(every), IDENTITIES_A_CALL):
            some = list(every[start : start + IDENTITIES_A_CALL])
            answer = aws.ask("ses", "get_identity_notification_attributes", Identities=some)
            found |= answer.get("NotificationAttributes", {})
        return tuple(
            IdentityFacts(
                name, attributes.get("BounceTopic", ""), attributes.get("ComplaintTopic", "")
            )
            for name, attributes in found.items()
        )

    facts = known("ses", look)
    if names and isinstance(facts, tuple) and (missing := set(names) - {f.name for f in facts}):
        return Absent(f"SES in {aws.region} has no identity {', '.join(sorted(missing))}")
    return facts


def destinations(
    aws: Aws, names: Sequence[str] = ()
) -> tuple[tuple[DestinationFacts, ...] | Unknown, int]:
    """The event destinations that are topics or buses; and how many sets were not read.

    Of the named configuration sets, else of the first `MOST_SETS`.
    """
    sets: Sequence[str] | Unknown = names or known(
        "sesv2", lambda: list(aws.pages("sesv2", "list_configuration_sets", "ConfigurationSets"))
    )
    if not isinstance(sets, Sequence):
        return sets, 0
    found: list[DestinationFacts] = []
    for name in sets[:MOST_SETS]:
        some = destinations_of(aws, name)
        if not isinstance(some, tuple):
            return some, 0
        found += some
    return tuple(found), len(sets[MOST_SETS:])


def destinations_of(aws: Aws, name: str) -> tuple[DestinationFacts, ...] | Unknown:
    """The event destinations of a configuration set that are topics or event buses."""

    def look() -> tuple[DestinationFacts, ...]:
        operation = "get_configuration_set_event_destinations"
        answer = aws.ask("sesv2", operation, ConfigurationSetName=name)
        return tuple(
            DestinationFacts(
                configuration_set=name,
                name=item.get("Name", ""),
                target=target,
                enabled=bool(item.get("Enabled")),
                kinds=frozenset(item.get("MatchingEventTypes", ())),
            )
            for item in answer.get("EventDestinations", ())
            if (target := _target_of(item))
        )

    found = known("sesv2", look)
    if isinstance(found, Absent):
        return Absent(f"SES in {aws.region} has no configuration set {name}")
    return found


def key(aws: Aws, key_id: str, where: str) -> KeyFacts:
    """Read a KMS key, in the region of the queue or topic that it encrypts."""

    def describe() -> Mapping[str, object]:
        answer = aws.ask("kms", "describe_key", at=where, KeyId=key_id)
        return dict(answer.get("KeyMetadata", {}))

    def policy(arn: str) -> str:
        answer = aws.ask("kms", "get_key_policy", at=where, KeyId=arn, PolicyName="default")
        return str(answer.get("Policy", ""))

    metadata = known("kms", describe)
    if not isinstance(metadata, Mapping):
        return KeyFacts(key_id, metadata, metadata)
    # GetKeyPolicy accepts no alias.
    return KeyFacts(key_id, metadata, known("kms", lambda: policy(str(metadata.get("Arn")))))


def account(aws: Aws) -> Mapping[str, Any] | Unknown:
    """Read the SES account of the region."""
    return known("sesv2", lambda: aws.ask("sesv2", "get_account"))


def rules_of(aws: Aws, target: str) -> list[str] | Unknown:
    """The names of the rules of the default event bus that send to a target."""
    return known(
        "events",
        lambda: list(
            aws.pages("events", "list_rule_names_by_target", "RuleNames", TargetArn=target)
        ),
    )


_REPEATED = ("State", "Description", "RoleArn")
"""Attributes of a rule that `PutRule` removes unless they are repeated."""


def rule(aws: Aws, name: str) -> RuleFacts | Unknown:
    """Read a rule of the default event bus, with its targets."""

    def look() -> RuleFacts:
        answer = aws.ask("events", "describe_rule", Name=name)
        targets = aws.pages("events", "list_targets_by_rule", "Targets", Rule=name)
        return RuleFacts(
            name=name,
            arn=answer["Arn"],
            is_enabled=answer.get("State") != "DISABLED",
            pattern=answer.get("EventPattern", ""),
            targets=tuple(_target(item) for item in targets),
            rest={name: answer[name] for name in _REPEATED if answer.get(name)},
        )

    return known("events", look)


def _target(item: Mapping[str, Any]) -> TargetFacts:
    transforming = ("InputTransformer", "InputPath", "Input")
    return TargetFacts(
        id=item["Id"],
        arn=item["Arn"],
        transforms=next((name for name in transforming if item.get(name)), ""),
        input_path=item.get("InputPath", ""),
        dead_letters=item.get("DeadLetterConfig", {}).get("Arn", ""),
        role=item.get("RoleArn", ""),
        written=item,
    )


def _target_of(destination: Mapping[str, Any]) -> str:
    """The ARN of a destination's topic or event bus; empty: it is something else."""
    topic = destination.get("SnsDestination", {}).get("TopicArn")
    return str(topic or destination.get("EventBridgeDestination", {}).get("EventBusArn") or "")


def _ends_in(listed: Mapping[str, str], queue_arn: str) -> bool:
    # SNS still lists a subscription for a while after it was deleted (ansible/ansible#20086).
    return listed.get("Endpoint") == queue_arn and listed["SubscriptionArn"] != "Deleted"


def _subscription(aws: Aws, listed: Mapping[str, str]) -> Mapping[str, str] | Unknown:
    arn = listed["SubscriptionArn"]
    if read_arn(arn) is None:  # SNS returns PendingConfirmation instead
        return {"PendingConfirmation": "true"}

    def look() -> Mapping[str, str]:
        where = region_in_arn(listed["TopicArn"])
        answer = aws.ask("sns", "get_subscription_attributes", at=where, SubscriptionArn=arn)
        return dict(answer.get("Attributes", {}))

    return known("sns", look)
