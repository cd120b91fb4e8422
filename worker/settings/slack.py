"""The settings of the Slack channel."""

import re
from enum import StrEnum
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from worker.core.effects import Lane
from worker.core.rate_limit import singles
from worker.settings.channels import ChannelSection
from worker.settings.kinds import Number, is_web_address

_PLAIN = re.compile(r"[!-~]+")
"""Visible ASCII."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class Addresses(StrEnum):
    """How notices show addresses."""

    FULL = "full"
    MASKED = "masked"


class SlackSettings(ChannelSection):
    """Where notices go: an incoming webhook, or a token and a channel."""

    enabled_by: ClassVar[tuple[str, ...]] = ("webhook_url", "token")
    credentials: ClassVar[tuple[str, ...]] = ("webhook_url", "token")

    webhook_url: SecretStr | None = None
    token: SecretStr | None = None
    channel: str | None = None
    username: str = "SES Notice"
    icon_emoji: str = ":mailbox_with_no_mail:"
    addresses: Addresses = Addresses.FULL
    messages_per_minute: Annotated[Number, Field(ge=1, le=6_000)] = 20
    messages_per_second: Annotated[Number, Field(ge=0.01, le=100)] = 1
    api_url: str = "https://slack.com/api/"

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The lane `slack`, where it is configured."""
        configured = self.webhook_url is not None or self.token is not None
        return (Lane("slack"),) if configured else ()

    @property
    def notices_at_once(self) -> int:
        """As many as the minute's budget allows separately, and the digest's first."""
        return int(singles(self.messages_per_minute)) + 1

    @field_validator("webhook_url", "token", "channel", mode="before")
    @classmethod
    def _is_set(cls, value: object) -> object:
        text = value.strip() if isinstance(value, str) else value
        return None if text == "" else text

    @field_validator("token")
    @classmethod
    def _is_a_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _PLAIN.fullmatch(value.get_secret_value()):
            raise ValueError("must be a token: letters, digits and dashes")
        return value

    @field_validator("webhook_url")
    @classmethod
    def _is_a_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_web_address(value.get_secret_value()):
            raise ValueError("must be the URL of an incoming webhook")
        return value

    @field_validator("api_url")
    @classmethod
    def _is_an_api(cls, value: str) -> str:
        if not is_web_address(value):
            raise ValueError("must be a URL: https://slack.com/api/")
        if urlsplit(value).scheme != "https" and urlsplit(value).hostname not in LOOPBACK:
            raise ValueError("must begin with https://, or the token would go in clear")
        return value if value.endswith("/") else f"{value}/"

    @model_validator(mode="after")
    def _has_single_way(self) -> Self:
        if self.webhook_url is not None and self.token is not None:
            raise ValueError("slack.webhook_url and slack.token: set one of them, not both")
        if (self.token is None) != (self.channel is None):
            raise ValueError("slack.token and slack.channel go together: set both, or neither")
        return self
