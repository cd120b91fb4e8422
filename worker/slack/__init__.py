"""The far side that is Slack; nobody else here speaks with it."""

from worker.slack.channel import Channel
from worker.slack.sender import SlackSender

__all__ = ["Channel", "SlackSender"]
