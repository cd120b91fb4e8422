"""Who sends to a topic, by what SES says of identities and configuration sets. Pure."""

from collections.abc import Sequence

from msgspec import Struct

from worker.topology.checks.facts import DestinationFacts, FeedbackFacts, read_arn
from worker.topology.checks.filters import EVENT, NOTIFICATION

KINDS = frozenset({"BOUNCE", "COMPLAINT"})


class ConfigurationSet(Struct, frozen=True):
    """What one configuration set sends to the topics, by all its event destinations."""

    name: str
    destinations: tuple[DestinationFacts, ...]

    @property
    def kinds(self) -> frozenset[str]:
        """What is sent by those of them that are switched on."""
        return frozenset[str]().union(
            *(destination.kinds for destination in self.destinations if destination.enabled)
        )


def sending_sets(facts: FeedbackFacts, topics: Sequence[str]) -> list[ConfigurationSet]:
    """The configuration sets that send to these topics, whatever they send."""
    found: dict[str, list[DestinationFacts]] = {}
    for destination in facts.destinations if isinstance(facts.destinations, tuple) else ():
        if destination.topic in topics:
            found.setdefault(destination.configuration_set, []).append(destination)
    return [ConfigurationSet(name, tuple(those)) for name, those in found.items()]


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
    """What SES sends to the topic, as `judge_filter` has it; nothing where that is not known."""
    identities = facts.identities if isinstance(facts.identities, tuple) else ()
    notified = any(topic in {identity.bounces, identity.complaints} for identity in identities)
    published = any(
        configuration_set.kinds & KINDS for configuration_set in sending_sets(facts, [topic])
    )
    return [NOTIFICATION] * notified + [EVENT] * published
