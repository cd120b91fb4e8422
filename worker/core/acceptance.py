"""Which wrappings a message is accepted in: SNS topics, and EventBridge. Pure."""

from enum import StrEnum

from msgspec import Struct


class EventBridge(StrEnum):
    """Whether SES's events in EventBridge's wrapper are accepted."""

    ACCEPTED = "accepted"
    BY_TOPIC = "by_topic"
    """Only in the envelope of an accepted topic. EventBridge's wrapper carries no proof of its own:
    everybody who may send to the queue can write a wrapper."""
    REFUSED = "refused"


class Verify(StrEnum):
    """Which signatures of SNS are verified."""

    AUTO = "auto"
    """Those that a message carries; a message without a signature is processed."""
    REQUIRE = "require"
    """A message without a right signature is refused."""
    OFF = "off"


class Acceptance(Struct, frozen=True, kw_only=True):
    """The settings `sns.*` and `eventbridge.*`, as the message path needs them."""

    topics: frozenset[str] = frozenset()
    """ARNs of the SNS topics to accept; empty: accept all."""
    eventbridge: EventBridge = EventBridge.ACCEPTED
    accounts: frozenset[str] = frozenset()
    """AWS accounts whose events EventBridge may wrap; empty: all."""
    verify: Verify = Verify.AUTO


EVERYTHING = Acceptance()
