"""What the settings section of every notice channel says about itself."""

from typing import ClassVar

from worker.core.effects import Lane
from worker.settings.kinds import Section


class ChannelSection(Section):
    """Base of the sections that configure notice channels, such as `[slack]`.

    A section of this kind can change at any time: a reload replaces the relay.
    """

    enabled_by: ClassVar[tuple[str, ...]] = ()
    """Keys of which any enables the channel, for hints."""
    credentials: ClassVar[tuple[str, ...]] = ()
    """Keys that systemd may load as credentials, named `SECTION_KEY`."""

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """One lane for each configured channel: the section's name; empty: no channel."""
        raise NotImplementedError

    @property
    def notices_at_once(self) -> int:
        """How many notices of a commit the channel may show separately, with SES's JSON."""
        raise NotImplementedError
