"""Slack as a notice channel: the client and the sender that the settings ask for."""

import hashlib
from collections.abc import Sequence

from worker.core.effects import Delivery, Effect, Lane
from worker.core.errors import Misconfigured
from worker.core.rate_limit import RateLimit
from worker.notifiers.slack.blocks import as_called
from worker.notifiers.slack.client import LONGEST_POST_SECONDS, SlackClient
from worker.notifiers.slack.sample_message import sample_message
from worker.notifiers.slack.sender import MOST_POSTS, SECONDS_BETWEEN_POSTS, SlackSender
from worker.settings.slack import Addresses, SlackSettings

LEASE_SECONDS = MOST_POSTS * (LONGEST_POST_SECONDS + SECONDS_BETWEEN_POSTS) + 30.0
"""Time for a post, for the same post in shorter forms, and for marking the outcome."""


class SlackChannel:
    """A `worker.notifiers.channel.Channel`."""

    service = "Slack"

    def __init__(self, settings: SlackSettings, lane: Lane) -> None:
        """Make the client; nothing is called yet.

        Raises:
            Misconfigured: a token without a channel.

        """
        self.lane = lane
        self.destination = (
            "the webhook" if settings.webhook_url else f"token and {settings.channel}"
        )
        self.rate_limit = RateLimit(
            name=f"{lane}:{_fingerprint(settings)}",
            lease_seconds=LEASE_SECONDS,
            per_second=settings.messages_per_second,
            per_minute=settings.messages_per_minute,
        )
        self._client = _make_client(settings)
        self._command = settings.command
        masked = settings.addresses is Addresses.MASKED
        self._sender = SlackSender(self._client, masked=masked, command=settings.command)

    def deliver(self, effects: Sequence[Effect]) -> Delivery:
        """Post a notice, or a digest of several effects."""
        return self._sender.deliver(effects)

    def ask(self) -> Delivery:
        """Ask whether Slack knows the webhook or the token."""
        return self._client.ask()

    def send_sample(self, queue: str) -> Delivery:
        """Post a test notice."""
        return self._client.post(as_called(sample_message(queue), self._command))


def _make_client(settings: SlackSettings) -> SlackClient:
    if settings.webhook_url is not None:
        return SlackClient.by_webhook(
            settings.webhook_url.get_secret_value(),
            username=settings.username,
            icon_emoji=settings.icon_emoji,
        )
    if settings.token is None or settings.channel is None:
        raise Misconfigured("slack.token and slack.channel go together")
    return SlackClient.by_token(
        settings.token.get_secret_value(),
        settings.channel,
        username=settings.username,
        icon_emoji=settings.icon_emoji,
        base_url=settings.api_url,
    )


def _fingerprint(settings: SlackSettings) -> str:
    """Name the destination, in the database too, without showing the webhook's URL."""
    if settings.webhook_url:
        named = settings.webhook_url.get_secret_value()
    else:
        named = f"{settings.api_url} {settings.channel}"
    return hashlib.sha256(named.encode()).hexdigest()[:16]
