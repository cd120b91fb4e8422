"""The AWS side as it was read."""

from collections.abc import Mapping
from typing import TypeVar

from msgspec import Struct

Known = TypeVar("Known")


class NotPermitted(Struct, frozen=True):
    """We lack the permission to look."""

    action: str
    """The IAM action that would let us, such as `sns:GetTopicAttributes`."""

    def __str__(self) -> str:
        """For people: the missing permission."""
        return f"not permitted: {self.action}"


class Absent(Struct, frozen=True):
    """It does not exist."""

    message: str


class Unreachable(Struct, frozen=True):
    """It does not answer, or not as AWS does."""

    error: str


Unknown = NotPermitted | Absent | Unreachable
"""Why something is not known."""


class QueueFacts(Struct, frozen=True):
    """A queue, with SQS's attributes as it shows them."""

    url: str
    attributes: Mapping[str, str]

    @property
    def arn(self) -> str:
        """SQS's full name of it."""
        return self.attributes.get("QueueArn", "")

    @property
    def name(self) -> str:
        """The last part of it."""
        return self.url.rpartition("/")[2]

    def text(self, name: str) -> str:
        """An attribute; empty where it is not set."""
        return self.attributes.get(name, "")

    def number(self, name: str, default: int = 0) -> int:
        """An attribute that counts something."""
        text = self.attributes.get(name, "")
        return int(text) if text.isdecimal() else default


class TopicFacts(Struct, frozen=True):
    """A topic, with SNS's attributes."""

    arn: str
    attributes: Mapping[str, str]


class SubscriptionFacts(Struct, frozen=True):
    """A subscription of a topic that ends in the queue."""

    arn: str
    """`PendingConfirmation` or `Deleted`, where SNS shows that in its place."""
    attributes: "Mapping[str, str] | Unknown"


class IdentityFacts(Struct, frozen=True):
    """Where a verified identity of SES sends its notifications; empty: nowhere."""

    name: str
    bounces: str = ""
    complaints: str = ""


class DestinationFacts(Struct, frozen=True, kw_only=True):
    """An event destination of a configuration set that is a topic."""

    configuration_set: str
    name: str
    topic: str
    enabled: bool
    kinds: frozenset[str]
    """SES's words: BOUNCE, COMPLAINT, SEND, …."""


class FeedbackFacts(Struct, frozen=True, kw_only=True):
    """Where SES sends what it knows about bounces and complaints."""

    identities: tuple[IdentityFacts, ...] | Unknown
    destinations: tuple[DestinationFacts, ...] | Unknown
    named_identities: tuple[str, ...] = ()
    """Identities that the operator named."""
    named_sets: tuple[str, ...] = ()
    """Configuration sets that he named."""
    unlooked: tuple[str, ...] = ()
    """What there was too much of to look at all."""


class KeyFacts(Struct, frozen=True):
    """A key of KMS."""

    id: str
    """As the queue or the topic names it: an id, an ARN or an alias."""
    metadata: "Mapping[str, object] | Unknown"
    policy: "str | Unknown"


class Arn(Struct, frozen=True):
    """The parts of `arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME`."""

    partition: str
    service: str
    region: str
    account: str
    name: str


def read_arn(text: str) -> Arn | None:
    """Take it apart; None where it is none."""
    parts = text.split(":", 5)
    return Arn(*parts[1:]) if len(parts) == 6 and parts[0] == "arn" else None


def region_in_arn(text: str) -> str:
    """The region; empty where it is no ARN, or has none."""
    found = read_arn(text)
    return found.region if found else ""


def account_in_arn(text: str) -> str:
    """The account; likewise."""
    found = read_arn(text)
    return found.account if found else ""
