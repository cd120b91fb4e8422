"""The base of the settings sections of notice channels."""

from typing import ClassVar

from pydantic import PrivateAttr

from worker.core.effects import Lane
from worker.settings.kinds import Section


class ChannelSection(Section):
    """A section that configures notice channels, such as `[slack]`; a reload may change it."""

    enabled_by: ClassVar[tuple[str, ...]] = ()
    """Any of these keys enables the channel; for hints."""
    credentials: ClassVar[tuple[str, ...]] = ()
    """Keys that systemd may load as credentials, named `SECTION_KEY`."""

    _command: str = PrivateAttr("ses-worker")

    @property
    def command(self) -> str:
        """How commands begin that notices recommend."""
        return self._command

    def named(self, command: str) -> None:
        """Remember how commands with these settings begin."""
        self._command = command

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """A lane for each configured channel, named after the section; empty: no channel."""
        raise NotImplementedError

    @property
    def notices_at_once(self) -> int:
        """How many notices of a commit keep SES's JSON, since the channel may show each by itself.

        Counted only while the section has a lane. The largest number of all channels is used.
        """
        return 0
