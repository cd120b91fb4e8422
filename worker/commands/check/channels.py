"""Checks the notice channels: asks each service, or sends it a test notice."""

from collections.abc import Iterator

from worker.notifiers.registry import make_channels
from worker.settings import Settings
from worker.topology.checks.channels import judge_channel, judge_no_channel
from worker.topology.checks.findings import Finding


def check_channels(settings: Settings, *, send: bool) -> Iterator[Finding]:
    """Return a finding for each configured channel, and for each section without a channel."""
    for name, section in settings.channel_sections.items():
        if not section.lanes:
            yield judge_no_channel(name, section.enabled_by)
    queue = (settings.queue.url or "").rpartition("/")[2]
    for channel in make_channels(settings):
        yield judge_channel(
            channel.lane,
            channel.send_sample(queue) if send else channel.ask(),
            service=channel.service,
            destination=channel.destination,
            sent=send,
        )
