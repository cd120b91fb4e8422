"""What a notice channel is: a destination for notices, with a rate limit of its own.

A channel is a package below `worker.notifiers`, a section of the settings that extends
`ChannelSection`, and a line in `worker.notifiers.registry`. From these three come its entries in
the outbox, its lane of the relay, its line of `ses-worker check`, its reload and its credentials.
"""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from worker.core.effects import Delivery, Effect, Lane
from worker.core.rate_limit import RateLimit
from worker.settings.channels import ChannelSection

S = TypeVar("S", bound=ChannelSection)


class Channel(Protocol):
    """A configured channel.

    Its methods return the outcome: they raise nothing, and no text holds a secret. The thread of
    the channel's lane calls `deliver`; `ses-worker check` calls the others.
    """

    @property
    def lane(self) -> Lane:
        """Its lane of the outbox, as its settings section names it."""

    @property
    def service(self) -> str:
        """The remote service's name, for people: `Slack`."""

    @property
    def destination(self) -> str:
        """Where its notices go, for people: `the webhook`. Never a secret."""

    @property
    def rate_limit(self) -> RateLimit:
        """How fast it may deliver, named `LANE:DESTINATION`; another name is another destination.

        Effects parked by a blocked destination are delivered once the lane has another destination.
        """

    def deliver(self, effects: Sequence[Effect]) -> Delivery:
        """Deliver an effect, or several as a digest where `rate_limit.per_minute` is set.

        Effects of a digest come without their payloads, with their summaries only. The time limit
        is `rate_limit.lease_seconds`. A crash may repeat a delivery, with the same ids.
        """

    def ask(self) -> Delivery:
        """Ask the service whether it would accept a notice, without sending a notice."""

    def send_sample(self, queue: str) -> Delivery:
        """Deliver a test notice that names the queue."""


class ChannelType(Struct, Generic[S], frozen=True):
    """A line of the registry: how to make a channel from its settings section."""

    section: type[S]
    make: Callable[[S, Lane], Channel]
    """Called for each lane of the section; may raise `Misconfigured`."""
