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
    """An event destination of a configuration set, if it is a topic or an event bus."""

    configuration_set: str
    name: str
    target: str
    """The ARN of the topic or event bus."""
    enabled: bool
    kinds: frozenset[str]
    """SES's event types: BOUNCE, COMPLAINT, SEND, …."""


class TargetFacts(Struct, frozen=True, kw_only=True):
    """A target of a rule of EventBridge."""

    id: str
    arn: str
    transforms: str = ""
    """`Input`, `InputPath` or `InputTransformer`, if events are changed; empty: as they are."""
    input_path: str = ""
    dead_letters: str = ""
    """The ARN of the queue for what EventBridge cannot deliver; empty: none."""
    role: str = ""
    """The role that EventBridge sends with; empty: the queue's policy must admit the rule."""
    written: Mapping[str, object] = {}
    """All of it, as EventBridge has it."""

    @property
    def is_detail(self) -> bool:
        """Only SES's message is passed on, without EventBridge's wrapper: raw delivery."""
        return self.transforms == "InputPath" and self.input_path == "$.detail"


class RuleFacts(Struct, frozen=True, kw_only=True):
    """A rule of the default event bus, with its targets."""

    name: str
    arn: str
    is_enabled: bool
    pattern: str
    """The event pattern, as JSON."""
    targets: tuple[TargetFacts, ...]
    rest: Mapping[str, str] = {}
    """State, description and role: a call that changes the pattern must repeat them."""


class EventBridgeFacts(Struct, frozen=True, kw_only=True):
    """The rules that send to the queue or its topics, or should, by their ARNs."""

    rules: "Mapping[str, RuleFacts | Unknown]" = {}
    unlisted: "Unknown | None" = None
    """Why they could not be listed; None: they could."""
    is_expected: bool = False
    """The operator expects that EventBridge feeds the queue."""

    def senders_to(self, target: str) -> list[str]:
        """The ARNs of the rules that a target's policy must admit: those without a role."""
        return [
            arn
            for arn, rule in self.rules.items()
            if isinstance(rule, RuleFacts)
            and any(item.arn == target and not item.role for item in rule.targets)
        ]


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
