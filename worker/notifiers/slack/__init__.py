"""The client of Slack; no other package uses slack_sdk."""

from worker.notifiers.slack.channel import Channel
from worker.notifiers.slack.sender import SlackSender

__all__ = ["Channel", "SlackSender"]
