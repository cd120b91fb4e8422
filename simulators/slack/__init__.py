"""A simulated Slack on loopback: an incoming webhook, and chat.postMessage.

with SlackSimulator() as slack:
slack.fail(rate_limited("2"))  # simulators.slack.faults
...  # a sender with slack.webhook_url, or with TOKEN and slack.api_url
assert slack.posts[0]["text"] == "BOUNCE: jane@example.com"
"""

from simulators.slack.simulator import (
    CHANNEL,
    LONGEST_HOLD_SECONDS,
    METHOD,
    TEST,
    TOKEN,
    WEBHOOK,
    SlackRequest,
    SlackSimulator,
)

__all__ = [
    "CHANNEL",
    "LONGEST_HOLD_SECONDS",
    "METHOD",
    "TEST",
    "TOKEN",
    "WEBHOOK",
    "SlackRequest",
    "SlackSimulator",
]
