"""Which identities and configuration sets send to a topic. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from worker.topology.checks.facts import DestinationFacts, FeedbackFacts, read_arn
from worker.topology.checks.filters import EVENT, NOTIFICATION

KINDS = frozenset({"BOUNCE", "COMPLAINT"})


class ConfigurationSet(Struct, frozen=True):
    """A configuration set, with its event destinations that lead to the queue."""

    name: str
    destinations: tuple[DestinationFacts, ...]

    @property
    def kinds(self) -> frozenset[str]:
        """The event types that its enabled destinations send."""
        return frozenset[str]().union(
            *(destination.kinds for destination in self.destinations if destination.enabled)
        )


def sending_sets(facts: FeedbackFacts, topics: Sequence[str]) -> list[ConfigurationSet]:
    """The configuration sets that send any events to these topics and event buses."""
    found: dict[str, list[DestinationFacts]] = {}
    for destination in facts.destinations if isinstance(facts.destinations, tuple) else ():
        if destination.target in topics:
            found.setdefault(destination.configuration_set, []).append(destination)
    return [ConfigurationSet(name, tuple(destinations)) for name, destinations in found.items()]


def senders(facts: FeedbackFacts, topic: str, account: str) -> list[str]:
    """The ARNs of an account's identities and configuration sets that send to the topic."""
    found = read_arn(topic)
    if found is None:
        return []
    prefix = f"arn:{found.partition}:ses:{found.region}:{account}"
    identities = facts.identities if isinstance(facts.identities, tuple) else ()
    names = [
        f"{prefix}:identity/{identity.name}"
        for identity in identities
        if topic in {identity.bounces, identity.complaints}
    ]
    return names + [
        f"{prefix}:configuration-set/{configuration_set.name}"
        for configuration_set in sending_sets(facts, [topic])
    ]


def shapes(facts: FeedbackFacts, topic: str) -> list[str]:
    """The shapes that SES sends to the topic, for `judge_filter`; empty if unknown."""
    identities = facts.identities if isinstance(facts.identities, tuple) else ()
    notified = any(topic in {identity.bounces, identity.complaints} for identity in identities)
    published = any(
        configuration_set.kinds & KINDS for configuration_set in sending_sets(facts, [topic])
    )
    return [NOTIFICATION] * notified + [EVENT] * published
