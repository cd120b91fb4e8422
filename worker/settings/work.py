"""Settings of the message path: queue, policy, database, topics, log."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from worker.core.acceptance import EventBridge, Verify
from worker.settings.kinds import Integer, Section, is_web_address

LONGEST_POLL_SECONDS = 20
"""SQS's limit for WaitTimeSeconds."""
LONGEST_VISIBILITY_SECONDS = 43_200
"""SQS's limit for a visibility timeout: 12 hours."""

_NOT_IN_A_QUEUE_URL = re.compile(r"[?#]")
_ACCOUNT = re.compile(r"[0-9]{12}")


class Migrate(StrEnum):
    """When an older schema is upgraded: at any start, or only by `db upgrade`."""

    AUTO = "auto"
    MANUAL = "manual"


class SqsClient(StrEnum):
    """The client that receives, deletes and changes visibility: our own, or boto3."""

    LEAN = "lean"
    BOTO3 = "boto3"


class Accept(StrEnum):
    """Whether events are accepted; auto: not where other settings ask for proof of their source."""

    AUTO = "auto"
    TRUE = "true"
    FALSE = "false"


class LogFormat(StrEnum):
    """The format of log lines; auto: for people on a terminal, JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogAddresses(StrEnum):
    """What lines about a person show: the domain alone, or also a keyed hash of the address."""

    DOMAIN = "domain"
    HASHED = "hashed"


class LogLevel(StrEnum):
    """The lowest level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class AwsSettings(Section):
    """The AWS region; credentials come from AWS's own variables, files and roles."""

    region: str | None = None


class QueueSettings(Section):
    """The queue, and how it is polled."""

    url: str | None = None
    dead_letter_url: str | None = None
    wait_seconds: Annotated[Integer, Field(ge=1, le=LONGEST_POLL_SECONDS)] = 20
    visibility_seconds: Annotated[Integer, Field(ge=1, le=LONGEST_VISIBILITY_SECONDS)] = 60
    pollers: Annotated[Integer, Field(ge=1, le=32)] = 8
    client: SqsClient = SqsClient.LEAN

    @property
    def is_lean(self) -> bool:
        """Whether our own SQS client is chosen."""
        return self.client is SqsClient.LEAN

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
        """Refuse a queue that is its own dead-letter queue: messages would circle for ever."""
        if self.url is not None and self.url == self.dead_letter_url:
            raise ValueError("queue.dead_letter_url and queue.url are the same queue")
        return self


def _is_queue_url(text: str) -> bool:
    """Return whether a text is `http[s]://HOST[:PORT]/…/ACCOUNT/NAME` and nothing else."""
    steps = urlsplit(text).path.split("/")[1:] if is_web_address(text) else []
    return len(steps) > 1 and all(steps) and not _NOT_IN_A_QUEUE_URL.search(text)


class StoreSettings(Section):
    """The database."""

    url: Annotated[SecretStr, Field(validate_default=True)] = SecretStr("sqlite:///ses-worker.db")
    migrate: Migrate = Migrate.AUTO

    @field_validator("url")
    @classmethod
    def _is_a_database(cls, value: SecretStr) -> SecretStr:
        return SecretStr(database_url(value.get_secret_value()))


def database_url(url: str) -> str:
    """Return the URL of a database as the store takes it, with an absolute path.

    Raises:
        ValueError: it is none; the text is for people.

    """
    if path := url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else "":
        if path == ":memory:":
            raise ValueError("must be a file: a database in memory ends with the process")
        return f"sqlite:///{_absolute(path)}"
    scheme, _, rest = url.partition("://")
    if scheme in {"postgresql", "postgresql+psycopg", "postgres"} and rest:
        return f"postgresql://{rest}"
    raise ValueError("must be sqlite:///PATH or postgresql://USER@HOST/DATABASE")


def _absolute(path: str) -> Path:
    try:
        return Path(path).absolute()
    except OSError as error:
        raise ValueError(
            f"cannot be resolved from the working directory: {error.strerror}"
        ) from None


_ANY_TOPIC = (
    'sns.verify = "require" without sns.topic_arns accepts a message of any topic of any account: '
    "a signature only proves that SNS sent it"
)


class SnsSettings(Section):
    """Which signatures are verified, and which topics are accepted."""

    verify: Verify = Verify.AUTO
    topic_arns: tuple[str, ...] = ()

    @field_validator("topic_arns")
    @classmethod
    def _are_topics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(not arn.startswith("arn:") or ":sns:" not in arn for arn in value):
            raise ValueError("must be ARNs of topics: arn:aws:sns:REGION:ACCOUNT:NAME")
        return value

    @property
    def requires_proof(self) -> bool:
        """Whether a message must prove where it is from."""
        return bool(self.topic_arns) or self.verify is Verify.REQUIRE

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is most likely a mistake, although it is accepted."""
        if self.verify is Verify.REQUIRE and not self.topic_arns:
            return (_ANY_TOPIC,)
        return ()


class EventBridgeSettings(Section):
    """Whether SES's events in EventBridge's wrapper are accepted."""

    accept: Accept = Accept.AUTO
    accounts: tuple[str, ...] = ()

    @field_validator("accept", mode="before")
    @classmethod
    def _is_a_word(cls, value: object) -> object:
        """Read TOML's `true` and `false` as the words that they are."""
        return str(value).lower() if isinstance(value, bool | str) else value

    @field_validator("accounts")
    @classmethod
    def _are_accounts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [account for account in value if not _ACCOUNT.fullmatch(account)]:
            raise ValueError(f"{wrong[0]!r} must be the id of an AWS account, in quotes: 12 digits")
        return value

    def resolved(self, *, requires_proof: bool) -> EventBridge:
        """Return what `auto` means; `requires_proof`: other settings ask where messages are from.

        EventBridge's wrapper carries no proof of its own. The envelope of an accepted topic does.
        """
        if self.accept is Accept.AUTO:
            return EventBridge.BY_TOPIC if requires_proof else EventBridge.ACCEPTED
        return EventBridge.ACCEPTED if self.accept is Accept.TRUE else EventBridge.REFUSED


class LogSettings(Section):
    """The log on stderr."""

    format: LogFormat = LogFormat.AUTO
    level: LogLevel = LogLevel.INFO
    addresses: LogAddresses = LogAddresses.DOMAIN

    @property
    def as_json(self) -> bool | None:
        """Whether lines are JSON; None: unless standard error is a terminal."""
        return None if self.format is LogFormat.AUTO else self.format is LogFormat.JSON
