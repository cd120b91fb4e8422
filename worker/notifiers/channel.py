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
    """A configured channel. Its methods return what became of it: no exception, and no secret.

    They are called on the thread of the channel's lane, and by `ses-worker check`.
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

        What a blocked destination has parked is delivered once the lane has another destination.
        """

    def deliver(self, effects: Sequence[Effect]) -> Delivery:
        """Deliver one effect, or several as a digest; several come without their payloads.

        At most `rate_limit.lease_seconds` long. A kill may repeat a delivery: ids stay the same.
        """

    def ask(self) -> Delivery:
        """Ask whether the service would take a notice, as far as that is known without one."""

    def send_sample(self, queue: str) -> Delivery:
        """Deliver a test notice that names the queue."""


class ChannelType(Struct, Generic[S], frozen=True):
    """A line of the registry: what makes a channel of a section, for each lane of that section."""

    section: type[S]
    make: Callable[[S, Lane], Channel]
    """Raises `Misconfigured` where the section is no channel."""
