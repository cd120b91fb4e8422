"""The client of Slack; no other package uses slack_sdk."""

from worker.slack.channel import Channel
from worker.slack.sender import SlackSender

__all__ = ["Channel", "SlackSender"]
