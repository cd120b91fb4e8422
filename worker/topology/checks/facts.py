"""The AWS side as it was read: queues, topics, identities, keys."""

from collections.abc import Mapping
from typing import TypeVar

from msgspec import Struct

Known = TypeVar("Known")


class NotPermitted(Struct, frozen=True):
    """Our credentials may not read it."""

    action: str
    """The missing IAM action, such as `sns:GetTopicAttributes`."""

    def __str__(self) -> str:
        """For people: the missing permission."""
        return f"not permitted: {self.action}"


class Absent(Struct, frozen=True):
    """It does not exist."""

    message: str


class Unreachable(Struct, frozen=True):
    """The service does not answer, refuses the call, or the answer is not AWS's."""

    error: str
    fix: str = ""
    """What to do; `try again later` only if that may help."""
    is_supported: bool = True
    """False: the endpoint does not have the operation, today or later."""


Unknown = NotPermitted | Absent | Unreachable
"""Why a fact is not known."""


class QueueFacts(Struct, frozen=True):
    """A queue with its attributes, as SQS returns them."""

    url: str
    attributes: Mapping[str, str]

    @property
    def arn(self) -> str:
        """Its ARN; empty if it was not read."""
        return self.attributes.get("QueueArn", "")

    @property
    def name(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    def text(self, name: str) -> str:
        """An attribute; empty if it is not set."""
        return self.attributes.get(name, "")

    def number(self, name: str, default: int = 0) -> int:
        """An attribute that is a number."""
        text = self.attributes.get(name, "")
        return int(text) if text.isdecimal() else default


class TopicFacts(Struct, frozen=True):
    """A topic with its attributes, as SNS returns them."""

    arn: str
    attributes: Mapping[str, str]


class SubscriptionFacts(Struct, frozen=True):
    """A subscription of the queue to a topic."""

    arn: str
    """Or `PendingConfirmation` or `Deleted`, which SNS returns instead."""
    attributes: "Mapping[str, str] | Unknown"


class IdentityFacts(Struct, frozen=True):
    """The topics to which SES sends a verified identity's notifications; empty: none."""

    name: str
    bounces: str = ""
    complaints: str = ""


class DestinationFacts(Struct, frozen=True, kw_only=True):
    """An event destination of a configuration set, if it is a topic."""

    configuration_set: str
    name: str
    topic: str
    enabled: bool
    kinds: frozenset[str]
    """SES's event types: BOUNCE, COMPLAINT, SEND, …."""


class FeedbackFacts(Struct, frozen=True, kw_only=True):
    """Where SES sends bounces and complaints."""

    identities: tuple[IdentityFacts, ...] | Unknown
    destinations: tuple[DestinationFacts, ...] | Unknown
    named_identities: tuple[str, ...] = ()
    """Identities that the operator named."""
    named_sets: tuple[str, ...] = ()
    """Configuration sets that the operator named."""
    not_read: tuple[str, ...] = ()
    """What was left out, since there was too much of it."""


class KeyFacts(Struct, frozen=True):
    """A KMS key."""

    id: str
    """The queue's or topic's name for it: an id, an ARN or an alias."""
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
    """Split an ARN; None if it is not an ARN."""
    parts = text.split(":", 5)
    return Arn(*parts[1:]) if len(parts) == 6 and parts[0] == "arn" else None


def region_in_arn(text: str) -> str:
    """The region; empty if it is not an ARN, or has no region."""
    found = read_arn(text)
    return found.region if found else ""


def account_in_arn(text: str) -> str:
    """The account; empty if it is not an ARN, or has no account."""
    found = read_arn(text)
    return found.account if found else ""
