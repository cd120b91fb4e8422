"""The settings: one frozen, checked value, read once at the start and handed inward.

`config/worker.toml` has every key with a line of why; `worker.sources` tells where values come
from.
"""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from worker.model import Action
from worker.patterns import Patterns
from worker.policy import Policy, UnknownRecipients

LONGEST_POLL_SECONDS = 20
"""SQS's limit for WaitTimeSeconds."""
LONGEST_VISIBILITY_SECONDS = 43_200
"""SQS's limit for a visibility timeout: 12 hours."""

_NOT_IN_A_QUEUE_URL = re.compile(r"[\s?#]|[^!-~]")
_BOUNCE_NAME = re.compile(r"(Permanent|Transient|Undetermined)/(\*|[A-Za-z]+)")


class Migrate(StrEnum):
    """Who brings an older schema up: whoever starts, or only `db upgrade`."""

    AUTO = "auto"
    MANUAL = "manual"


class LogFormat(StrEnum):
    """How a log line looks; auto: for people on a terminal, JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least that is said."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


class Section(BaseModel):
    """A table of the file: unknown keys are errors, and no error repeats a value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a number, and is true or false")  # noqa: TRY004 pydantic's way
    return value


Whole = Annotated[int, BeforeValidator(_no_flag)]
Number = Annotated[float, BeforeValidator(_no_flag)]
"""For Python, and so for pydantic, `true` is the number 1."""


class AwsSettings(Section):
    """Where AWS is; credentials come from AWS's own variables, files and roles."""

    region: str | None = None


class QueueSettings(Section):
    """The queue, and how it is polled."""

    url: str | None = None
    dead_letter_url: str | None = None
    wait_seconds: Annotated[Whole, Field(ge=1, le=LONGEST_POLL_SECONDS)] = 20
    visibility_seconds: Annotated[Whole, Field(ge=1, le=LONGEST_VISIBILITY_SECONDS)] = 60
    pollers: Annotated[Whole, Field(ge=1, le=32)] = 8

    @field_validator("url", "dead_letter_url")
    @classmethod
    def _is_a_queue(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = value.strip().rstrip("/")
        if not _is_queue_url(url):
            raise ValueError("must be a queue's URL: https://sqs.REGION.amazonaws.com/ACCOUNT/NAME")
        if url.endswith(".fifo"):
            raise ValueError("must be a standard queue: SES's topics cannot feed a FIFO queue")
        return url

    @model_validator(mode="after")
    def _are_two_queues(self) -> Self:
        """A dead letter that comes back to where it was would go round for ever."""
        if self.url is not None and self.url == self.dead_letter_url:
            raise ValueError("queue.dead_letter_url and queue.url are the same queue")
        return self


def _is_queue_url(text: str) -> bool:
    """Tell whether it is `http[s]://HOST[:PORT]/…/ACCOUNT/NAME` and nothing else."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # reads it
    except ValueError:
        return False
    steps = parts.path.split("/")[1:]
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and len(steps) > 1
        and all(steps)
        and not _NOT_IN_A_QUEUE_URL.search(text)
    )


class StoreSettings(Section):
    """The database."""

    url: Annotated[SecretStr, Field(validate_default=True)] = SecretStr("sqlite:///ses-worker.db")
    migrate: Migrate = Migrate.AUTO

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if path := url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else "":
            if path == ":memory:":
                raise ValueError("must be a file: what is in memory is gone with the process")
            return SecretStr(f"sqlite:///{_absolute(path)}")
        scheme, _, rest = url.partition("://")
        if scheme in {"postgresql", "postgresql+psycopg", "postgres"} and rest:
            return SecretStr(f"postgresql://{rest}")
        raise ValueError("must be sqlite:///PATH or postgresql://USER@HOST/DATABASE")


def _absolute(path: str) -> Path:
    try:
        return Path(path).absolute()
    except OSError as error:
        raise ValueError(
            f"cannot be resolved from the working directory: {error.strerror}"
        ) from None


class PolicySettings(Section):
    """What bounces and complaints do to users."""

    hard_bounce_pause_days: Annotated[Number, Field(ge=0, le=36_500)] = 30
    soft_bounce_pause_days: Annotated[Number, Field(ge=0, le=36_500)] = 1
    unknown_recipients: UnknownRecipients = UnknownRecipients.RECORD
    bounce_actions: dict[str, Action] = {}

    @field_validator("bounce_actions")
    @classmethod
    def _are_bounces(cls, value: dict[str, Action]) -> dict[str, Action]:
        for name in value:
            if not _BOUNCE_NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} must be a bounce type and sub-type, such as "
                    '"Transient/MessageTooLarge" or "Undetermined/*"'
                )
        return value


class SnsSettings(Section):
    """Whom we listen to."""

    topic_arns: tuple[str, ...] = ()

    @field_validator("topic_arns")
    @classmethod
    def _are_topics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not arn.startswith("arn:") or ":sns:" not in arn for arn in value):
            raise ValueError("must be ARNs of topics: arn:aws:sns:REGION:ACCOUNT:NAME")
        return value


class NotifySettings(Section):
    """Who is told, and who is not."""

    ignore: tuple[str, ...] = ()

    @field_validator("ignore")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Patterns(value)
        return value


class SuppressionSettings(Section):
    """Which addresses are taken off the SES suppression list, and when they are not."""

    remove: tuple[str, ...] = ()
    remove_complaints: bool = False
    tries: Annotated[Whole, Field(ge=1, le=20)] = 5
    most_removals: Annotated[Whole, Field(ge=1)] = 3
    within_days: Annotated[Number, Field(gt=0, le=3_650)] = 30
    requests_per_second: Annotated[Number, Field(gt=0, le=100)] = 1

    @field_validator("remove")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Patterns(value)
        return value


class Addresses(StrEnum):
    """How notices show addresses."""

    FULL = "full"
    MASKED = "masked"


class SlackSettings(Section):
    """Where notices go: an incoming webhook, or a token and a channel."""

    webhook_url: SecretStr | None = None
    token: SecretStr | None = None
    channel: str | None = None
    username: str = "SES Notice"
    icon_emoji: str = ":mailbox_with_no_mail:"
    addresses: Addresses = Addresses.FULL
    messages_per_minute: Annotated[Number, Field(ge=1, le=6_000)] = 20
    messages_per_second: Annotated[Number, Field(gt=0, le=100)] = 1
    api_url: str = "https://slack.com/api/"

    @property
    def wanted(self) -> bool:
        """Somebody is there to be told."""
        return self.webhook_url is not None or self.token is not None

    @field_validator("webhook_url", "token", "channel", mode="before")
    @classmethod
    def _is_set(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("webhook_url")
    @classmethod
    def _is_a_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _is_web_address(value.get_secret_value()):
            raise ValueError("must be the URL of an incoming webhook")
        return value

    @field_validator("api_url")
    @classmethod
    def _is_an_api(cls, value: str) -> str:
        if not _is_web_address(value):
            raise ValueError("must be a URL: https://slack.com/api/")
        return value if value.endswith("/") else f"{value}/"

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if self.webhook_url is not None and self.token is not None:
            raise ValueError("set webhook_url, or token and channel, not both")
        if (self.token is None) != (self.channel is None):
            raise ValueError("token and channel go together")
        return self


class LogSettings(Section):
    """What is said on stderr."""

    format: LogFormat = LogFormat.AUTO
    level: LogLevel = LogLevel.INFO


class Settings(Section):
    """All of them."""

    aws: AwsSettings = AwsSettings()
    queue: QueueSettings = QueueSettings()
    store: StoreSettings = Field(default_factory=StoreSettings)  # a relative path is resolved now
    policy: PolicySettings = PolicySettings()
    sns: SnsSettings = SnsSettings()
    notify: NotifySettings = NotifySettings()
    slack: SlackSettings = SlackSettings()
    suppression: SuppressionSettings = SuppressionSettings()
    log: LogSettings = LogSettings()

    def as_policy(self) -> Policy:
        """The rules as the operator has set them."""
        return Policy(
            hard_bounce_pause=timedelta(days=self.policy.hard_bounce_pause_days),
            soft_bounce_pause=timedelta(days=self.policy.soft_bounce_pause_days),
            unknown_recipients=self.policy.unknown_recipients,
            bounce_actions=self.policy.bounce_actions,
            topics=frozenset(self.sns.topic_arns),
            notify=self.slack.wanted,
            ignore=Patterns(self.notify.ignore),
            remove=Patterns(self.suppression.remove),
        )
