"""The notice channels of this program."""

from typing import Any

from worker.notifiers.channel import Channel, ChannelType
from worker.notifiers.slack.channel import SlackChannel
from worker.settings import Settings
from worker.settings.slack import SlackSettings

CHANNEL_TYPES: tuple[ChannelType[Any], ...] = (ChannelType(SlackSettings, SlackChannel),)


def make_channels(settings: Settings) -> list[Channel]:
    """Make a channel for each lane that the settings configure.

    Raises:
        Misconfigured: a section does not suffice for a channel.

    """
    makers = {channel_type.section: channel_type.make for channel_type in CHANNEL_TYPES}
    return [
        makers[type(section)](section, lane)
        for section in settings.channel_sections.values()
        for lane in section.lanes
    ]
